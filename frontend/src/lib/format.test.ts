import { describe, expect, it } from 'vitest';
import {
	ago,
	bytes,
	clock,
	count,
	credits,
	duration,
	monogram,
	number,
	percent
} from './format.ts';

describe('format', () => {
	it('writes numbers and credits', () => {
		expect(number(100_000)).toBe('100,000');
		expect([credits(0), credits(1), credits(180), credits(2.5)]).toEqual([
			'no credits',
			'1 credit',
			'180 credits',
			'2.5 credits'
		]);
		expect([count(1, 'item'), count(1200, 'item'), count(2, 'entry', 'entries')]).toEqual([
			'1 item',
			'1,200 items',
			'2 entries'
		]);
		expect([percent(1), percent(0.986), percent(0)]).toEqual(['100%', '98.6%', '0%']);
	});

	it('writes how long something takes', () => {
		expect([0, 42, 59.6, 74, 120, 725, 3600, 7500, 260_000].map(duration)).toEqual([
			'0 s',
			'42 s',
			'1 min',
			'1 min 14 s',
			'2 min',
			'12 min',
			'1 h',
			'2 h 5 min',
			'3 days'
		]);
	});

	it('writes the length of a film', () => {
		expect([0, 10, 70.4, 3723].map(clock)).toEqual(['0:00', '0:10', '1:10', '1:02:03']);
	});

	it('writes how long ago something was', () => {
		const now = new Date(2026, 10, 23, 12, 0, 0);
		const before = (seconds: number) => ago(new Date(now.getTime() - seconds * 1000), now);
		expect([0, 50, 360, 3 * 3600, 30 * 3600].map(before)).toEqual([
			'just now',
			'1 min ago',
			'6 min ago',
			'3 h ago',
			'yesterday'
		]);
		expect(ago(new Date(2026, 9, 12), now)).toMatch(/^(12 Oct|Oct 12)$/);
		expect(ago(new Date(2024, 9, 12), now)).toContain('2024');
	});

	it('writes sizes and monograms', () => {
		expect([0, 999, 29_400, 1_200_000, 999_950].map(bytes)).toEqual([
			'0 B',
			'999 B',
			'29.4 kB',
			'1.2 MB',
			'1 MB'
		]);
		expect(['Mara Lund', 'mara.lund', 'admin', ''].map(monogram)).toEqual(['ML', 'ML', 'AD', '?']);
	});
});
