import { keepPreviousData, queryOptions } from '@tanstack/svelte-query';
import { api, ok, type Schema } from '#lib/api/client.ts';
import { KEYS } from '#lib/api/queries.ts';

export type UsageGroup = Schema<'UsageGroup'>;
export type UsageRow = Schema<'UsageRowRead'>;

export const GROUPS: { value: UsageGroup; label: string }[] = [
	{ value: 'day', label: 'Day' },
	{ value: 'user', label: 'Person' },
	{ value: 'provider', label: 'Provider' },
	{ value: 'account', label: 'Account' }
];

const DAY_MS = 86_400_000;

/** A day of UTC, as the API writes it. */
export function isoDay(time: number): string {
	return new Date(time).toISOString().slice(0, 10);
}

/** The last days, today included. */
export function lastDays(days: number, now = Date.now()): { from: string; to: string } {
	return { from: isoDay(now - (days - 1) * DAY_MS), to: isoDay(now) };
}

/** Every day from one to the other, both included. */
export function daysBetween(from: string, to: string): string[] {
	const days: string[] = [];
	for (let time = Date.parse(from); time <= Date.parse(to); time += DAY_MS) days.push(isoDay(time));
	return days;
}

export const usageQuery = (from: string, to: string, group: UsageGroup) =>
	queryOptions({
		queryKey: [...KEYS.usage, 'report', from, to, group],
		queryFn: ({ signal }) =>
			ok(api.GET('/api/v1/admin/usage', { params: { query: { from, to, group } }, signal })),
		placeholderData: keepPreviousData
	});

const CSV_COLUMNS: (keyof UsageRow)[] = [
	'key',
	'label',
	'jobs',
	'completed',
	'failed',
	'cancelled',
	'credits',
	'success_rate',
	'p50_s',
	'p90_s'
];

/** The rows as a spreadsheet reads them (RFC 4180); names cannot become formulas. */
export function toCsv(rows: readonly UsageRow[]): string {
	const lines = [CSV_COLUMNS.join(',')];
	for (const row of rows) lines.push(CSV_COLUMNS.map((name) => csvCell(row[name])).join(','));
	return lines.join('\r\n') + '\r\n';
}

function csvCell(value: string | number | null): string {
	if (value === null) return '';
	if (typeof value === 'number') return String(value);
	const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
