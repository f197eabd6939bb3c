import { describe, expect, it } from 'vitest';
import { decodeRatios, layOut, neighbour, widthToHeight, windowOf, type Mode } from './layout.ts';

const byteOf = (ratio: number) => Math.round(128 + 48 * Math.log2(ratio));
const WIDE = byteOf(16 / 9);
const TALL = byteOf(9 / 16);
const SQUARE = byteOf(1);

/** The same mixture of ratios on every run. */
function mixture(count: number): Uint8Array {
	const kinds = [WIDE, TALL, SQUARE, byteOf(4 / 3), byteOf(2.35), byteOf(3 / 4)];
	let seed = 7;
	return Uint8Array.from({ length: count }, () => {
		seed = (seed * 1103515245 + 12345) & 0x7fffffff;
		return kinds[(seed >> 16) % kinds.length]!;
	});
}

const shape = (mode: Mode, width = 1336) => ({
	mode,
	width,
	size: mode === 'rows' ? 190 : 220,
	gap: 4
});

describe('ratios', () => {
	it('decodes one byte an asset to within one percent', () => {
		const bytes = decodeRatios(btoa(String.fromCharCode(WIDE, SQUARE, TALL)));
		const [wide, square, tall] = [...bytes].map(widthToHeight);
		expect(square).toBe(1);
		expect(wide! / (16 / 9)).toBeCloseTo(1, 2);
		expect(tall! / (9 / 16)).toBeCloseTo(1, 2);
	});
});

describe.each<Mode>(['rows', 'columns', 'squares'])('layout in %s', (mode) => {
	const layout = layOut(mixture(5000), shape(mode));

	it('has tops that never decrease and ends at the lowest tile', () => {
		for (let i = 1; i < layout.count; i++)
			expect(layout.y[i]).toBeGreaterThanOrEqual(layout.y[i - 1]!);
		const lowest = Math.max(...[...layout.y].map((y, i) => y + layout.h[i]!));
		expect(layout.height).toBe(lowest);
	});

	it('keeps every tile inside the width, and none over another', () => {
		for (let i = 0; i < layout.count; i++) {
			expect(layout.x[i]).toBeGreaterThanOrEqual(0);
			expect(layout.x[i]! + layout.w[i]!).toBeLessThanOrEqual(1336);
			for (let j = i + 1; j < Math.min(layout.count, i + 24); j++) {
				const apart =
					layout.x[i]! + layout.w[i]! <= layout.x[j]! ||
					layout.x[j]! + layout.w[j]! <= layout.x[i]! ||
					layout.y[i]! + layout.h[i]! <= layout.y[j]! ||
					layout.y[j]! + layout.h[j]! <= layout.y[i]!;
				expect(apart, `${i} and ${j}`).toBe(true);
			}
		}
	});

	it('finds in its window exactly what a look at every tile finds, or more above it', () => {
		for (const top of [0, 1, 777, 12_345, layout.height - 900, layout.height]) {
			const bottom = top + 900;
			const { start, end } = windowOf(layout, top, bottom);
			for (let i = 0; i < layout.count; i++) {
				const seen = layout.y[i]! + layout.h[i]! > top && layout.y[i]! <= bottom;
				if (seen) expect(i >= start && i < end, `${i} at ${top}`).toBe(true);
			}
			expect(end - start).toBeLessThan(120);
		}
	});

	it('lays out 100,000 in time', async ({ annotate }) => {
		const ratios = mixture(100_000);
		layOut(ratios, shape(mode));
		const begun = performance.now();
		layOut(ratios, shape(mode));
		const spent = performance.now() - begun;
		await annotate(`${spent.toFixed(1)} ms`);
		expect(spent).toBeLessThan(60);
	});

	it('is empty for nothing, and for no width', () => {
		expect(layOut(new Uint8Array(), shape(mode)).height).toBe(0);
		expect(layOut(mixture(3), shape(mode, 0)).height).toBe(0);
	});
});

describe('justified rows', () => {
	it('fill the width to the pixel, the last row apart', () => {
		const layout = layOut(mixture(1000), shape('rows'));
		const lastTop = layout.y[layout.count - 1]!;
		for (let i = 0; i + 1 < layout.count; i++) {
			const endsRow = layout.y[i + 1]! > layout.y[i]!;
			if (endsRow) expect(layout.x[i]! + layout.w[i]!).toBe(1336);
			if (layout.y[i]! < lastTop) {
				expect(layout.h[i]).toBeGreaterThan(110);
				expect(layout.h[i]).toBeLessThan(330);
			}
		}
	});

	it('stay near the height asked for on a phone, and give a panorama its own row', () => {
		const layout = layOut(Uint8Array.of(byteOf(5), TALL, TALL, TALL, WIDE), shape('rows', 358));
		expect(layout.h[0]).toBe(Math.round(358 / widthToHeight(byteOf(5))));
		expect(layout.y[1]).toBeGreaterThan(layout.y[0]!);
		for (const height of layout.h) expect(height).toBeLessThan(380);
	});
});

describe('neighbours', () => {
	it.each<Mode>(['rows', 'columns', 'squares'])('go down and up by geometry in %s', (mode) => {
		const layout = layOut(mixture(400), shape(mode));
		for (const from of [0, 7, 55, 200]) {
			const below = neighbour(layout, from, 'down');
			expect(layout.y[below]).toBeGreaterThan(layout.y[from]!);
			const middle = layout.x[from]! + layout.w[from]! / 2;
			expect(layout.x[below]! - 4).toBeLessThanOrEqual(middle);
			expect(layout.x[below]! + layout.w[below]! + 4).toBeGreaterThanOrEqual(middle);
			expect(layout.y[neighbour(layout, below, 'up')]).toBeLessThan(layout.y[below]!);
		}
	});

	it('stay at the edges', () => {
		const layout = layOut(mixture(40), shape('rows'));
		expect(neighbour(layout, 0, 'left')).toBe(0);
		expect(neighbour(layout, 0, 'up')).toBe(0);
		expect(neighbour(layout, 39, 'right')).toBe(39);
		expect(neighbour(layout, 39, 'down')).toBe(39);
	});
});
