import { describe, expect, it } from 'vitest';
import {
	byDay,
	gather,
	ratioOf,
	withEvents,
	withJobs,
	type Job,
	type JobPages
} from './batches.ts';

function job(
	id: string,
	batch_id: string | null,
	created_at: string,
	more: Partial<Job> = {}
): Job {
	return { id, batch_id, created_at, params: {}, thumb: null, input_thumb: null, ...more } as Job;
}

const A1 = job('1', 'a', '2026-11-22T10:00:00Z');
const A2 = job('2', 'a', '2026-11-22T10:00:00Z');
const B1 = job('3', 'b', '2026-11-23T10:00:00Z');
const ALONE = job('4', null, '2026-11-23T11:00:00Z');

function pages(...items: Job[][]): JobPages {
	return {
		pages: items.map((page) => ({ items: page, next_cursor: null })),
		pageParams: items.map(() => null)
	};
}

describe('gather', () => {
	it('puts together what was submitted together, newest first, in the order of asking', () => {
		const batches = gather([ALONE, B1, A2, A1]);
		expect(batches.map(({ id, jobs }) => [id, jobs.map((one) => one.id)])).toEqual([
			['4', ['4']],
			['b', ['3']],
			['a', ['1', '2']]
		]);
	});

	it('has a heading for each day', () => {
		const days = byDay(gather([ALONE, B1, A2, A1]));
		expect(days.map(({ batches }) => batches.map(({ id }) => id))).toEqual([['4', 'b'], ['a']]);
	});
});

describe('live changes', () => {
	it('changes what an event tells and nothing else', () => {
		const before = pages([B1], [A1]);
		const after = withEvents(before, [
			{ id: '1-1', type: 'job:started', job_id: '1', data: { job: { state: 'running' } } },
			{ id: '1-2', type: 'job:progress', job_id: '1', data: { progress: 0.4 } }
		])!;
		expect(after.pages[1]!.items[0]).toMatchObject({
			state: 'running',
			progress: 0.4,
			batch_id: 'a'
		});
		expect(after.pages[0]!.items[0]).toBe(B1);
	});

	it('puts new jobs first and known ones where they are', () => {
		const after = withJobs(pages([B1], [A1]), [{ ...A1, progress: 1 }, ALONE])!;
		expect(after.pages.map(({ items }) => items.map(({ id }) => id))).toEqual([['4', '3'], ['1']]);
		expect(after.pages[1]!.items[0]!.progress).toBe(1);
	});
});

it('keeps the shape that was asked for', () => {
	expect(ratioOf(job('1', null, '', { params: { aspect_ratio: '9:16' } }))).toBeCloseTo(0.5625);
	const start = { width: 300, height: 200 } as Job['thumb'];
	expect(ratioOf(job('1', null, '', { input_thumb: start }))).toBe(1.5);
	expect(ratioOf(job('1', null, ''))).toBeCloseTo(16 / 9);
});
