import type { Schema } from '#lib/api/client.ts';
import { bytes, number } from '#lib/format.ts';

export type Quotas = Schema<'QuotasRead'>;
type QuotaName = keyof Quotas;

const GB = 1_000_000_000;

type QuotaWords = {
	name: QuotaName;
	label: string;
	/** Of the field, where that counts in another unit. */
	fieldLabel?: string;
	/** What one of the field's units is: people type gigabytes. */
	unit: number;
	format: (value: number) => string;
	setting: string;
};

/** Every limit of a person, in the order in which they are shown. */
export const QUOTAS: readonly QuotaWords[] = [
	{
		name: 'max_daily_jobs',
		label: 'Jobs a day',
		unit: 1,
		format: number,
		setting: 'PIXSIM7_DEFAULT_MAX_DAILY_JOBS'
	},
	{
		name: 'max_concurrent_jobs',
		label: 'Jobs at once',
		unit: 1,
		format: number,
		setting: 'PIXSIM7_DEFAULT_MAX_CONCURRENT_JOBS'
	},
	{
		name: 'max_storage_bytes',
		label: 'Storage',
		fieldLabel: 'Storage, GB',
		unit: GB,
		format: bytes,
		setting: 'PIXSIM7_DEFAULT_MAX_STORAGE_BYTES'
	},
	{
		name: 'max_assets',
		label: 'Items in the library',
		unit: 1,
		format: number,
		setting: 'PIXSIM7_DEFAULT_MAX_ASSETS'
	},
	{
		name: 'max_accounts',
		label: 'Own accounts',
		unit: 1,
		format: number,
		setting: 'PIXSIM7_DEFAULT_MAX_ACCOUNTS'
	}
];

/** A limit in words. */
export function limitText(quota: QuotaWords, quotas: Quotas): string {
	const value = quotas[quota.name];
	return value === null ? 'No limit' : quota.format(value);
}

export type QuotaInputs = Record<QuotaName, number | null>;

/** What the fields show; bytes become gigabytes of two decimals. */
export function inputsOf(quotas: Quotas): QuotaInputs {
	return mapped(quotas, (value, unit) => Math.round((value / unit) * 100) / 100);
}

/** Only the limits whose field was changed, so that rounding to gigabytes changes nothing. */
export function changedQuotas(inputs: QuotaInputs, before: Quotas): Partial<Quotas> {
	const shown = inputsOf(before);
	const after = mapped(inputs, (value, unit) => Math.round(value * unit));
	return Object.fromEntries(
		QUOTAS.filter(({ name }) => (inputs[name] ?? null) !== shown[name]).map(({ name }) => [
			name,
			after[name]
		])
	);
}

function mapped(
	values: QuotaInputs | Quotas,
	convert: (value: number, unit: number) => number
): QuotaInputs {
	return Object.fromEntries(
		QUOTAS.map(({ name, unit }) => {
			const value = values[name] ?? null;
			return [name, value === null ? null : convert(value, unit)];
		})
	) as QuotaInputs;
}

/** How many of the limits differ from the defaults. */
export function ownLimits(quotas: Quotas, defaults: Quotas): number {
	return QUOTAS.filter(({ name }) => quotas[name] !== defaults[name]).length;
}
