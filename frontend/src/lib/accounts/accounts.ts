import { queryOptions } from '@tanstack/svelte-query';
import { api, ok, type Schema } from '#lib/api/client.ts';
import { KEYS } from '#lib/api/queries.ts';
import { duration } from '#lib/format.ts';
import type { Tone } from '#lib/ui/tone.ts';

export type Account = Schema<'AccountRead'>;
type StateCode = Account['state']['code'];

export const accountsQuery = () =>
	queryOptions({
		queryKey: [...KEYS.accounts, 'list'],
		queryFn: ({ signal }) => ok(api.GET('/api/v1/accounts', { signal }))
	});

export const accountQuery = (id: string) =>
	queryOptions({
		queryKey: [...KEYS.accounts, 'one', id],
		queryFn: ({ signal }) =>
			ok(api.GET('/api/v1/accounts/{account_id}', { params: { path: { account_id: id } }, signal }))
	});

/** The state in two or three words; its sentence says more. */
export const STATES: Record<StateCode, { word: string; tone: Tone }> = {
	ready: { word: 'Ready', tone: 'ok' },
	busy: { word: 'All slots in use', tone: 'accent' },
	cooling: { word: 'Cooling down', tone: 'warn' },
	low: { word: 'Low credits', tone: 'warn' },
	exhausted: { word: 'Out of credits', tone: 'bad' },
	attention: { word: 'Needs attention', tone: 'bad' },
	paused: { word: 'Paused', tone: 'neutral' }
};

/** How long what is left lasts at the pace of the last week: "about 6 days". Null: no telling. */
export function lasts(account: Pick<Account, 'credits_free' | 'week'>): string | null {
	const aDay = account.week.credits / 7;
	if (account.credits_free === null || aDay === 0) return null;
	const days = account.credits_free / aDay;
	if (days > 365) return 'over a year';
	return `about ${duration(Math.max(3600, days * 86_400))}`;
}

/** Only what has ended and may worry: below this share the rate is shown as bad. */
export const POOR_RATE = 0.8;
