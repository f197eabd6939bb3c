import { describe, expect, it } from 'vitest';
import { markAt, marksOf } from './scrub.ts';

const DAYS = [
	{ day: '2026-11-23', count: 10 },
	{ day: '2026-11-01', count: 5 },
	{ day: '2026-10-31', count: 7 },
	{ day: '2025-12-24', count: 3 }
];

describe('the scrub track', () => {
	it('has one mark a month, at the first place of it', () => {
		expect(marksOf(DAYS)).toEqual([
			{ label: 'Nov 2026', year: '2026', index: 0 },
			{ label: 'Oct 2026', year: '2026', index: 15 },
			{ label: 'Dec 2025', year: '2025', index: 22 }
		]);
	});

	it('knows the month of every place', () => {
		const marks = marksOf(DAYS);
		expect([0, 14, 15, 21, 22, 24].map((index) => markAt(marks, index)?.label)).toEqual([
			'Nov 2026',
			'Nov 2026',
			'Oct 2026',
			'Oct 2026',
			'Dec 2025',
			'Dec 2025'
		]);
		expect(markAt([], 3)).toBeUndefined();
	});
});
