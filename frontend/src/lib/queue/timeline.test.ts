import { describe, expect, it } from 'vitest';
import { timelineOf, type JobEvent } from './timeline.ts';

let id = 0;
const event = (type: string, data: JobEvent['data'] = {}, account_id: string | null = null) => ({
	id: ++id,
	type,
	data,
	account_id,
	job_id: 'j',
	asset_id: null,
	created_at: '2026-11-23T10:00:00Z'
});
const nameOf = (account: string | null | undefined) => (account === 'a1' ? 'studio-03' : '');
const told = (events: JobEvent[]) =>
	timelineOf(events, nameOf).map(({ title, text }) => (text ? `${title}: ${text}` : title));

describe('timelineOf', () => {
	it('tells a run in words', () => {
		expect(
			told([
				event('job:created'),
				event('account:selected', { attempt: 1, credits: '90' }, 'a1'),
				event('provider:submitted'),
				event('job:started'),
				event('provider:completed', { credits: '85' }),
				event('job:completed')
			])
		).toEqual([
			'Accepted',
			'Account reserved: studio-03, 90 credits held',
			'Taken by the provider',
			'Made: 85 credits charged',
			'Done'
		]);
	});

	it('lets the last of many reports stand for all', () => {
		const reports = [0.1, 0.4, 0.625].map((progress) => event('job:progress', { progress }));
		expect(told(reports)).toEqual(['Under way: 63%']);
	});

	it('tells what a change was', () => {
		expect(
			told([
				event('job:updated', { is_paused: true }),
				event('job:updated', { is_paused: false }),
				event('job:updated', { changed: ['priority'] }),
				event('job:retrying', { delay_s: 12, reason: 'The account is busy.' })
			])
		).toEqual([
			'Paused',
			'Resumed',
			'Changed: priority',
			'Another attempt follows: in 12 s, The account is busy.'
		]);
	});
});
