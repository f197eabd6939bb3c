import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/svelte-query';
import { api, ok, type Schema } from '#lib/api/client.ts';
import { KEYS } from '#lib/api/queries.ts';
import { queryClient } from '#lib/api/query-client.ts';

export type Person = Schema<'UserRow'>;

export const ROLES: { value: Schema<'UserRole'>; label: string; hint: string }[] = [
	{ value: 'admin', label: 'Administrator', hint: 'Everything, for everybody' },
	{ value: 'user', label: 'Member', hint: 'Makes things, adds accounts' },
	{ value: 'guest', label: 'Guest', hint: 'Looks only' }
];

/** Everybody whose name or email begins like the text, page after page. For administrators. */
export const peopleQuery = (text: string) =>
	infiniteQueryOptions({
		queryKey: [...KEYS.users, 'list', text],
		queryFn: ({ pageParam, signal }) =>
			ok(
				api.GET('/api/v1/users', {
					params: { query: { q: text || undefined, cursor: pageParam } },
					signal
				})
			),
		initialPageParam: undefined as string | undefined,
		getNextPageParam: (page) => page.next_cursor ?? undefined,
		placeholderData: keepPreviousData
	});

/** The first people that match, for lists to choose from. For administrators. */
export const peopleSearchQuery = (text: string) =>
	queryOptions({
		queryKey: [...KEYS.users, 'search', text],
		queryFn: ({ signal }) =>
			ok(api.GET('/api/v1/users', { params: { query: { q: text || undefined } }, signal })),
		placeholderData: keepPreviousData
	});

export const defaultQuotasQuery = () =>
	queryOptions({
		queryKey: [...KEYS.admin, 'quotas'],
		queryFn: ({ signal }) => ok(api.GET('/api/v1/admin/quotas', { signal }))
	});

export async function refreshPeople() {
	await queryClient.invalidateQueries({ queryKey: KEYS.users });
}
