import { describe, expect, it } from 'vitest';
import { aJob } from './fixtures.ts';
import type { Job } from './jobs.ts';
import { costOf, ordinal, reasonOf, settingsOf, shortId, timeOf, titleOf } from './words.ts';

describe('words', () => {
	it('names a job by its name, its prompt, or what it does', () => {
		expect(titleOf(aJob({ name: 'Opening shot' }))).toBe('Opening shot');
		expect(titleOf(aJob())).toBe('Salt flats at first light');
		expect(titleOf(aJob({ prompt: '', operation_type: 'video_extend' }))).toBe('Video extend');
	});

	it('tells the settings that are there', () => {
		expect(settingsOf(aJob())).toBe('5 s, 720p');
		expect(settingsOf(aJob({ params: { quality: 7 } }))).toBe('');
	});

	it('counts places', () => {
		expect([1, 2, 3, 4, 11, 12, 13, 21, 102].map(ordinal).join(' ')).toBe(
			'1st 2nd 3rd 4th 11th 12th 13th 21st 102nd'
		);
		expect(shortId('0193-ab9f31')).toBe('#9F31');
	});
});

describe('reasonOf', () => {
	const cases: [string, Partial<Job>, string][] = [
		['a place in line', { queue_position: 2 }, '2nd in line. It is in line for a free account.'],
		[
			'the job that it follows',
			{ waits_for_parent: true, parent_job_id: '0193-ab9f32' },
			'Starts when #9F32 is done'
		],
		[
			'where it runs',
			{ state: 'running', account: { id: 'a', name: 'studio-03' }, attempts: 2 },
			'On studio-03, attempt 2'
		],
		[
			'what came of it',
			{
				state: 'completed',
				asset_ids: ['1', '2', '3'],
				started_at: '2026-11-23T10:00:00Z',
				finished_at: '2026-11-23T10:01:12Z'
			},
			'3 results in 1 min 12 s'
		],
		[
			'why it failed',
			{ state: 'failed', reason: { code: 'filtered', sentence: 'The prompt was refused.' } },
			'The prompt was refused.'
		]
	];
	it.each(cases)('tells %s', (_, changes, sentence) => {
		expect(reasonOf(aJob(changes))).toBe(sentence);
	});
});

describe('timeOf', () => {
	const held = (changes: Partial<Job>) => ({ job: aJob(changes), readAt: 0, endedAt: null });

	it('counts down from the reading', () => {
		expect(timeOf(held({ state: 'running', eta_s: 40 }), 12_000)).toBe('28 s left');
		expect(timeOf(held({ state: 'running', eta_s: 40 }), 60_000)).toBe('any moment');
	});

	it('tells a guess roughly, and nothing where nothing is known', () => {
		expect(timeOf(held({ eta_s: 283 }), 0)).toBe('about 5 min');
		expect(timeOf(held({ eta_s: 3 }), 0)).toBe('about 10 s');
		expect(timeOf(held({}), 0)).toBe('');
	});

	it('tells how long ago it ended', () => {
		const now = Date.parse('2026-11-23T10:12:00Z');
		expect(timeOf(held({ finished_at: '2026-11-23T10:00:00Z', eta_s: 0 }), now)).toBe('12 min ago');
	});
});

describe('costOf', () => {
	const ended = { finished_at: '2026-11-23T10:00:00Z' };

	it('tells what came back, else what was charged, and nothing before the end', () => {
		expect(costOf(aJob({ ...ended, returned_credits: 90 }))).toBe('90 credits back');
		expect(costOf(aJob({ ...ended, charged_credits: 85 }))).toBe('85 credits');
		expect(costOf(aJob(ended))).toBe('');
		expect(costOf(aJob({ returned_credits: 90 }))).toBe('');
	});
});
