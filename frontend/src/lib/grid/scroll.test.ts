import { describe, expect, it } from 'vitest';
import { ScrollMap } from './scroll.ts';

const VIEW = 900;

describe('a library that fits the box', () => {
	it('is shown as it is scrolled', () => {
		const map = new ScrollMap(50_000, VIEW, 6_000_000);
		expect(map.box).toBe(50_000);
		expect(map.moved(12_345)).toBe(12_345);
		expect(map.offset).toBe(0);
		expect(map.jump(49_100)).toBe(49_100);
	});
});

describe('a library past the box', () => {
	const total = 42_000_000;
	const limit = 6_000_000;
	const end = total - VIEW;

	it('reaches both ends exactly', () => {
		const map = new ScrollMap(total, VIEW, limit);
		expect(map.moved(limit - VIEW)).toBe(end);
		expect(map.moved(0)).toBe(0);
		expect(map.jump(end)).toBe(limit - VIEW);
		expect(map.top).toBe(end);
		expect(map.jump(total * 2)).toBe(limit - VIEW);
	});

	it('moves one to one on small moves and in proportion on jumps', () => {
		const map = new ScrollMap(total, VIEW, limit);
		map.moved(3_000_000);
		const middle = map.top;
		expect(middle / end).toBeCloseTo(3_000_000 / (limit - VIEW), 6);
		expect(map.moved(3_000_100)).toBe(middle + 100);
		expect(map.moved(2_999_500)).toBe(middle - 500);
	});

	it('shows the same after it has come to rest', () => {
		const map = new ScrollMap(total, VIEW, limit);
		map.moved(1_000_000);
		for (let step = 1; step <= 40; step++) map.moved(1_000_000 + step * 500);
		const before = map.top;
		const position = map.rest();
		expect(map.top).toBe(before);
		expect(position / (limit - VIEW)).toBeCloseTo(before / end, 6);
		map.rounded(Math.round(position));
		expect(map.top).toBeCloseTo(before, 6);
	});

	it('never leaves the content when drifts add up', () => {
		const map = new ScrollMap(total, VIEW, limit);
		map.jump(end - 2000);
		let position = limit - VIEW - 285;
		for (let step = 0; step < 10; step++) {
			position = Math.min(position + 300, limit - VIEW);
			expect(map.moved(position)).toBeLessThanOrEqual(end);
		}
		expect(map.top).toBe(end);
	});
});
