import { describe, expect, it } from 'vitest';
import { aJob } from './fixtures.ts';
import { arrange, needsReading, patchJob, withEvents, type HeldJob, type Job } from './jobs.ts';

const held = (changes: Partial<Job>, endedAt: number | null = null): HeldJob => ({
	job: aJob(changes),
	readAt: 0,
	endedAt
});
const at = (minute: number) => `2026-11-23T10:${String(minute).padStart(2, '0')}:00Z`;

describe('arrange', () => {
	it('puts decisions first, then what runs or just ended, then what waits; newest first', () => {
		const rows = arrange(
			[
				held({ id: 'old', created_at: at(1) }),
				held({ id: 'new', created_at: at(9) }),
				held({ id: 'runs', state: 'running', created_at: at(2) }),
				held({ id: 'ended', state: 'completed', created_at: at(3) }, 5),
				held({ id: 'asks', state: 'attention', created_at: at(0) })
			],
			false
		);
		expect(rows.map(({ job }) => job.id)).toEqual(['asks', 'ended', 'runs', 'new', 'old']);
	});

	it('puts a chain under its first job, link by link', () => {
		const rows = arrange(
			[
				held({ id: 'third', parent_job_id: 'second', created_at: at(3) }),
				held({ id: 'second', parent_job_id: 'first', created_at: at(2) }),
				held({ id: 'apart', created_at: at(9) }),
				held({ id: 'first', state: 'running', created_at: at(1) })
			],
			true
		);
		expect(rows.map(({ job, depth }) => [job.id, depth])).toEqual([
			['first', 0],
			['second', 1],
			['third', 2],
			['apart', 0]
		]);
	});

	it('puts a whole list in the order of its line, and what stands outside it last', () => {
		const rows = arrange(
			[
				held({ id: 'paused', state: 'paused', created_at: at(9) }),
				held({ id: 'second', queue_position: 2, created_at: at(8) }),
				held({ id: 'first', queue_position: 1, created_at: at(7) })
			],
			true
		);
		expect(rows.map(({ job }) => job.id)).toEqual(['first', 'second', 'paused']);
	});

	it('shows a job whose parent is in another list at the first level', () => {
		expect(arrange([held({ parent_job_id: 'ended-long-ago' })], true)[0]?.depth).toBe(0);
	});

	it('takes thousands in milliseconds', () => {
		const many = Array.from({ length: 5000 }, (_, index) => held({ id: `job-${index}` }));
		const begun = performance.now();
		expect(arrange(many, true)).toHaveLength(5000);
		expect(performance.now() - begun).toBeLessThan(200);
	});
});

describe('withEvents', () => {
	it('moves up those behind a job that has left the line', () => {
		const line = ['a', 'b', 'c'].map((id, index) => held({ id, queue_position: index + 1 }));
		const before = new Map(line.map((one) => [one.job.id, one]));
		const started = {
			id: '1-1',
			type: 'job:started',
			job_id: 'b',
			data: { job: { state: 'running', group: 'active' } }
		};
		const after = withEvents(before, [started], 'active', 0);
		expect(['a', 'c'].map((id) => after.get(id)?.job.queue_position)).toEqual([1, 2]);
	});
});

describe('patchJob', () => {
	it('takes the fields that an event tells and keeps the rest', () => {
		const changed = patchJob(aJob(), {
			id: '1-1',
			type: 'job:started',
			data: { job: { status: 'processing', state: 'running', attempts: 1 } }
		});
		expect(changed.state).toBe('running');
		expect(changed.prompt).toBe('Salt flats at first light');
	});

	it('takes progress and the reason for waiting from their own events', () => {
		expect(
			patchJob(aJob(), { id: '1-1', type: 'job:progress', data: { progress: 0.4 } }).progress
		).toBe(0.4);
		const waits = patchJob(aJob(), {
			id: '1-1',
			type: 'job:waiting',
			data: { reason: 'All accounts are busy.' }
		});
		expect(waits.reason.sentence).toBe('All accounts are busy.');
	});

	it('asks for a reading only where the event does not tell all', () => {
		expect(needsReading({ id: '1-1', type: 'job:progress' })).toBe(false);
		expect(needsReading({ id: '1-1', type: 'job:completed' })).toBe(true);
	});
});
