import { describe, expect, it } from 'vitest';
import { daysBetween, lastDays, toCsv, type UsageRow } from './usage.ts';

const ROW: UsageRow = {
	key: 'k',
	label: 'mara',
	jobs: 3,
	completed: 2,
	failed: 1,
	cancelled: 0,
	credits: 180.5,
	success_rate: 0.6667,
	p50_s: null,
	p90_s: 12
};

describe('days', () => {
	it('count today, across the end of a month', () => {
		const now = Date.parse('2026-12-02T23:59:00Z');
		expect(lastDays(3, now)).toEqual({ from: '2026-11-30', to: '2026-12-02' });
		expect(daysBetween('2026-11-30', '2026-12-02')).toEqual([
			'2026-11-30',
			'2026-12-01',
			'2026-12-02'
		]);
	});

	it('are none when the end is before the start', () => {
		expect(daysBetween('2026-12-02', '2026-11-30')).toEqual([]);
	});
});

describe('CSV', () => {
	it('leaves out what is not known', () => {
		expect(toCsv([ROW]).split('\r\n')[1]).toBe('k,mara,3,2,1,0,180.5,0.6667,,12');
	});

	it('quotes, and never begins a cell like a formula', () => {
		const line = toCsv([{ ...ROW, label: '=HYPERLINK("x",1)' }]).split('\r\n')[1];
		expect(line).toContain(`k,"'=HYPERLINK(""x"",1)",3`);
	});
});
