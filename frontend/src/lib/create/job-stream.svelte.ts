import { createInfiniteQuery, useQueryClient } from '@tanstack/svelte-query';
import { api, ok } from '#lib/api/client.ts';
import type { LiveEvent } from '#lib/api/events.svelte.ts';
import { events } from '#lib/api/live.ts';
import { KEYS } from '#lib/api/queries.ts';
import { gather, withEvents, withJobs, type Batch, type Job, type JobPages } from './batches.ts';
import { ESTIMATE_KEY } from './odds.svelte.ts';

const PAGE = 60;
const GATHER_MS = 300;
/** Turns of a job after which it is read again: for its picture, its time left, its credits. */
const TURNS = new Set(['created', 'started', 'completed', 'failed', 'cancelled', 'attention']);

/** The person's jobs, newest first, live; of one workspace, or of all. */
export function createJobStream(workspaceId: () => string | null) {
	const client = useQueryClient();
	const queryKey = $derived([...KEYS.jobs, 'stream', workspaceId()]);

	const query = createInfiniteQuery(() => ({
		queryKey,
		initialPageParam: null as string | null,
		queryFn: ({ pageParam, signal }) =>
			ok(
				api.GET('/api/v1/jobs', {
					params: {
						query: {
							limit: PAGE,
							cursor: pageParam ?? undefined,
							workspace_id: workspaceId() ?? undefined
						}
					},
					signal
				})
			),
		getNextPageParam: (page) => page.next_cursor
	}));

	const jobs = $derived(query.data?.pages.flatMap(({ items }) => items) ?? []);
	const batches: Batch[] = $derived(gather(jobs));

	function patch(change: (pages: JobPages | undefined) => JobPages | undefined) {
		client.setQueryData<JobPages>(queryKey, change);
	}

	function put(changed: readonly Job[]) {
		const id = workspaceId();
		const shown = id === null ? changed : changed.filter((job) => job.workspace_id === id);
		patch((pages) => withJobs(pages, shown));
	}

	// --- live: events change tiles at once, in one go a frame; jobs that turned are read again ---

	let heard: LiveEvent[] = [];
	let frame = 0;
	let timer: ReturnType<typeof setTimeout> | undefined;
	let stale: { batches: string[]; jobs: string[] } = { batches: [], jobs: [] };

	function applyHeard() {
		const applied = heard;
		heard = [];
		frame = 0;
		patch((pages) => withEvents(pages, applied));
	}

	function hearJob(event: LiveEvent) {
		heard.push(event);
		frame ||= requestAnimationFrame(applyHeard);
		if (TURNS.has(event.type.slice('job:'.length))) {
			const batchId = (event.data?.job as Partial<Job> | undefined)?.batch_id;
			wantAgain(event.job_id, batchId ?? undefined);
		}
	}

	function wantAgain(jobId: string | null | undefined, batchId?: string) {
		const known = batchId ?? jobs.find(({ id }) => id === jobId)?.batch_id;
		const [list, id] = known ? [stale.batches, known] : [stale.jobs, jobId];
		if (!id) return;
		if (!list.includes(id)) list.push(id);
		timer ??= setTimeout(() => void readAgain(), GATHER_MS);
	}

	async function readAgain() {
		timer = undefined;
		const { batches: batchIds, jobs: jobIds } = stale;
		stale = { batches: [], jobs: [] };
		const answers = await Promise.allSettled([
			...batchIds.map(async (batch_id) => {
				const params = { query: { batch_id, limit: 100 } };
				return (await ok(api.GET('/api/v1/jobs', { params }))).items;
			}),
			...jobIds.map(async (job_id) => [
				await ok(api.GET('/api/v1/jobs/{job_id}', { params: { path: { job_id } } }))
			])
		]);
		put(answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : [])));
		void client.invalidateQueries({ queryKey: ESTIMATE_KEY });
	}

	$effect(() => {
		const offs = [
			events.on('job:*', hearJob),
			// A result is home, or its small pictures are made.
			events.on('asset:downloaded', (event) => wantAgain(event.job_id)),
			events.on('asset:derived', (event) => wantAgain(event.job_id))
		];
		return () => {
			for (const off of offs) off();
			clearTimeout(timer);
			cancelAnimationFrame(frame);
		};
	});

	return {
		get batches() {
			return batches;
		},
		get isPending() {
			return query.isPending;
		},
		get error() {
			return query.error;
		},
		get hasMore() {
			return query.hasNextPage;
		},
		get isLoadingMore() {
			return query.isFetchingNextPage;
		},
		loadMore: () => {
			if (query.hasNextPage && !query.isFetchingNextPage) void query.fetchNextPage();
		},
		retry: () => void query.refetch(),
		/** Shows these as they are now: what was just accepted, or changed by an action. */
		put
	};
}

export type JobStream = ReturnType<typeof createJobStream>;
