import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/svelte-query';
import { api, ok, type Schema } from '#lib/api/client.ts';
import { KEYS } from '#lib/api/queries.ts';

export type AuditEvent = Schema<'AuditEvent'>;

/** What the log is narrowed to; empty values narrow nothing. */
export type EventFilter = {
	type: string;
	user_id: string;
	job_id: string;
	account_id: string;
	asset_id: string;
};

/** The thing that an id names, and the word for it in the page's address. */
export const SUBJECTS = [
	{ name: 'user_id', word: 'user', label: 'Person' },
	{ name: 'job_id', word: 'job', label: 'Job' },
	{ name: 'account_id', word: 'account', label: 'Account' },
	{ name: 'asset_id', word: 'asset', label: 'Item' }
] as const;

export function filterOf(search: URLSearchParams): EventFilter {
	const id = (word: string) => search.get(word) ?? '';
	return {
		type: id('type'),
		user_id: id('user'),
		job_id: id('job'),
		account_id: id('account'),
		asset_id: id('asset')
	};
}

const PAGE = 50;
const FOLLOW_MS = 3000;

/** The log, newest first. The stream has only one's own events, so following everybody's asks again. */
export const eventsQuery = (filter: EventFilter, isFollowed: boolean) =>
	infiniteQueryOptions({
		queryKey: [...KEYS.admin, 'events', filter, isFollowed],
		queryFn: ({ pageParam, signal }) => {
			const given = Object.entries(filter).filter(([, value]) => value !== '');
			const query = { ...Object.fromEntries(given), cursor: pageParam, limit: PAGE };
			return ok(api.GET('/api/v1/admin/events', { params: { query }, signal }));
		},
		initialPageParam: undefined as string | undefined,
		// Followed, it is the newest page alone that is asked for again.
		getNextPageParam: (page) => (isFollowed ? undefined : (page.next_cursor ?? undefined)),
		refetchInterval: isFollowed ? FOLLOW_MS : (false as const),
		staleTime: 0,
		placeholderData: keepPreviousData
	});

export const eventTypesQuery = () =>
	queryOptions({
		queryKey: [...KEYS.admin, 'event-types'],
		queryFn: ({ signal }) => ok(api.GET('/api/v1/admin/event-types', { signal }))
	});

/** What the event's data say at a glance, without ids and sums: "status completed, credits 90". */
export function gist(data: Record<string, unknown>): string {
	return Object.entries(data)
		.filter(([name]) => !/(^|_)(id|sha256)$/.test(name))
		.filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
		.map(([name, value]) => `${name.replaceAll('_', ' ')} ${value}`)
		.join(', ');
}
