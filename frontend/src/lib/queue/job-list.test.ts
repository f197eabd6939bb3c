import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { aJob } from './fixtures.ts';
import { JobList, type JobScope } from './job-list.svelte.ts';
import type { Job } from './jobs.ts';

const ACTIVE: JobScope = {
	state: 'active',
	q: '',
	needsAttention: false,
	workspaceId: null,
	allUsers: false,
	userId: null
};
const asked: string[] = [];
let answer: (url: URL) => unknown;

beforeEach(() => {
	vi.useFakeTimers();
	asked.length = 0;
	vi.stubGlobal('fetch', async (request: Request) => {
		const url = new URL(request.url);
		asked.push(url.pathname + url.search);
		return Response.json(answer(url));
	});
});

afterEach(() => {
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

const ids = (list: JobList) => list.rows.map(({ job }) => job.id);
const told = (job: Partial<Job>) => ({ data: { job } });
let position = 0;
const event = (type: string, job_id: string, rest: object = {}) => ({
	id: `1-${++position}`,
	type,
	job_id,
	...rest
});

async function opened(running: Job[], waiting: Job[]): Promise<JobList> {
	answer = (url) => ({
		items: url.searchParams.get('status') === 'processing' ? running : waiting,
		next_cursor: null
	});
	const list = new JobList(ACTIVE);
	await list.readOn();
	return list;
}

describe('JobList', () => {
	it('reads what runs before what waits, and both before it shows anything', async () => {
		const list = await opened([aJob({ id: 'r', state: 'running' })], [aJob({ id: 'w' })]);
		expect(ids(list)).toEqual(['r', 'w']);
		expect(list.hasMore).toBe(false);
		expect(asked).toHaveLength(2);
	});

	it('shows an event at once and reads the job once for a burst of them', async () => {
		const list = await opened([], [aJob({ id: 'w' })]);
		asked.length = 0;
		answer = () => aJob({ id: 'w', state: 'running', choices: ['cancel'] });
		list.take(event('job:started', 'w', told({ state: 'running', group: 'active' })));
		await vi.advanceTimersByTimeAsync(100);
		expect(list.rows[0]?.job.state).toBe('running');
		expect(asked).toEqual([]);
		for (let i = 0; i < 50; i++)
			list.take(event('job:progress', 'w', { data: { progress: i / 50 } }));
		list.take(event('account:selected', 'w'));
		await vi.advanceTimersByTimeAsync(1000);
		expect(asked).toEqual(['/api/v1/jobs/w']);
		expect(list.find('w')?.choices).toEqual(['cancel']);
	});

	it('reads the head of the list once for a hundred new jobs', async () => {
		const list = await opened([], []);
		asked.length = 0;
		const made = Array.from({ length: 100 }, (_, number) => aJob({ id: `n${number}` }));
		answer = (url) => ({
			items: url.searchParams.get('status') === 'pending' ? made : [],
			next_cursor: null
		});
		for (const job of made) list.take(event('job:created', job.id, told({ group: 'active' })));
		await vi.advanceTimersByTimeAsync(1000);
		expect(asked).toHaveLength(2);
		expect(list.rows).toHaveLength(100);
	});

	it('lets an ended job be seen for a while before it leaves', async () => {
		const list = await opened([], [aJob({ id: 'w' })]);
		const close = list.open({ on: () => () => {} });
		const ended = {
			state: 'completed',
			group: 'done',
			finished_at: '2026-11-23T10:00:00Z'
		} as const;
		answer = () => aJob({ id: 'w', ...ended });
		list.take(event('job:completed', 'w', told(ended)));
		await vi.advanceTimersByTimeAsync(5000);
		expect(list.rows[0]?.job.state).toBe('completed');
		await vi.advanceTimersByTimeAsync(30_000);
		expect(list.rows).toEqual([]);
		close();
	});

	it('ignores jobs of other lists', async () => {
		const list = await opened([], []);
		asked.length = 0;
		list.take(event('job:failed', 'other', told({ group: 'failed' })));
		await vi.advanceTimersByTimeAsync(1000);
		expect(asked).toEqual([]);
	});
});
