import { describe, expect, it } from 'vitest';
import { rowsAt, scrollTopFor } from './rows.ts';

describe('rowsAt', () => {
	it('draws the screen and a spare part on both sides', () => {
		expect(rowsAt(8000, 800, 80, 5000)).toEqual({ start: 94, end: 116 });
	});

	it('stays within the list', () => {
		expect(rowsAt(0, 800, 80, 5)).toEqual({ start: 0, end: 5 });
		expect(rowsAt(9_999_999, 800, 80, 5)).toEqual({ start: 5, end: 5 });
		expect(rowsAt(0, 800, 80, 0)).toEqual({ start: 0, end: 0 });
	});

	it('draws as few rows of a hundred thousand as of a hundred', () => {
		const { start, end } = rowsAt(4_000_000, 800, 80, 100_000);
		expect(end - start).toBeLessThan(24);
	});
});

describe('scrollTopFor', () => {
	it('moves no further than it must', () => {
		expect(scrollTopFor(5, 80, 0, 800)).toBe(0);
		expect(scrollTopFor(10, 80, 0, 800)).toBe(80);
		expect(scrollTopFor(2, 80, 400, 800)).toBe(160);
	});
});
