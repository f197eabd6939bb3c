import { queryOptions } from '@tanstack/svelte-query';
import { api, ok } from './client.ts';

/** First words of query keys. An event about a thing makes everything under its word stale. */
export const KEYS = {
	jobs: ['jobs'],
	jobCounts: ['jobs', 'counts'],
	assets: ['assets'],
	workspaces: ['workspaces'],
	accounts: ['accounts'],
	operations: ['operations'],
	usage: ['usage'],
	views: ['views'],
	providers: ['providers'],
	users: ['users'],
	sessions: ['sessions'],
	tokens: ['tokens'],
	webhooks: ['webhooks'],
	admin: ['admin']
} as const;

export const jobCountsQuery = () =>
	queryOptions({
		queryKey: KEYS.jobCounts,
		queryFn: ({ signal }) => ok(api.GET('/api/v1/jobs/counts', { signal }))
	});

export const operationsQuery = () =>
	queryOptions({
		queryKey: KEYS.operations,
		queryFn: ({ signal }) => ok(api.GET('/api/v1/operations', { signal }))
	});

export const workspacesQuery = () =>
	queryOptions({
		queryKey: KEYS.workspaces,
		queryFn: ({ signal }) => ok(api.GET('/api/v1/workspaces', { signal }))
	});

export const viewsQuery = () =>
	queryOptions({
		queryKey: KEYS.views,
		queryFn: ({ signal }) => ok(api.GET('/api/v1/views', { signal }))
	});

/** Providers and the fields of their credentials: settled as long as the server runs. */
export const providersQuery = () =>
	queryOptions({
		queryKey: KEYS.providers,
		queryFn: ({ signal }) => ok(api.GET('/api/v1/providers', { signal }))
	});
