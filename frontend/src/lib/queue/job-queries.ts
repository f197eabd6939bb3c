import { queryOptions } from '@tanstack/svelte-query';
import { api, ok } from '#lib/api/client.ts';
import { KEYS } from '#lib/api/queries.ts';
import { readChain } from './chain.ts';
import type { Job } from './jobs.ts';

/** Everything read about one job. */
export const jobKey = (id: string) => [...KEYS.jobs, 'one', id] as const;

export const jobQuery = (id: string) =>
	queryOptions({
		queryKey: [...jobKey(id), 'job'],
		queryFn: async ({ signal }) => ({
			job: await ok(api.GET('/api/v1/jobs/{job_id}', { params: { path: { job_id: id } }, signal })),
			readAt: Date.now(),
			endedAt: null
		})
	});

export const jobEventsQuery = (id: string) =>
	queryOptions({
		queryKey: [...jobKey(id), 'events'],
		queryFn: ({ signal }) =>
			ok(api.GET('/api/v1/jobs/{job_id}/events', { params: { path: { job_id: id } }, signal }))
	});

export const submissionsQuery = (id: string) =>
	queryOptions({
		queryKey: [...jobKey(id), 'submissions'],
		queryFn: ({ signal }) =>
			ok(api.GET('/api/v1/jobs/{job_id}/submissions', { params: { path: { job_id: id } }, signal }))
	});

export const explanationQuery = (id: string) =>
	queryOptions({
		queryKey: [...jobKey(id), 'explanation'],
		queryFn: ({ signal }) =>
			ok(api.GET('/api/v1/jobs/{job_id}/explain', { params: { path: { job_id: id } }, signal }))
	});

export const chainQuery = (job: Job) =>
	queryOptions({
		queryKey: [...jobKey(job.id), 'chain', job.parent_job_id, job.child_ids],
		queryFn: ({ signal }) => readChain(job, signal)
	});

/** Names of the accounts that one may see, by id. */
export const accountNamesQuery = () =>
	queryOptions({
		queryKey: [...KEYS.accounts, 'names'],
		queryFn: async ({ signal }) => {
			const { items } = await ok(api.GET('/api/v1/accounts', { signal }));
			return new Map(items.map(({ id, name }) => [id, name]));
		}
	});
