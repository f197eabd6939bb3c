/** Where every tile of a library lies. Pure arithmetic over flat arrays: 100,000 tiles take milliseconds. */

export type Mode = 'rows' | 'columns' | 'squares';

export interface Shape {
	mode: Mode;
	/** Inner width in CSS pixels. */
	width: number;
	/** Height of a row, or least width of a column, in CSS pixels. */
	size: number;
	gap: number;
}

export interface Layout {
	mode: Mode;
	count: number;
	height: number;
	x: Float32Array;
	/** 64 bits: 32-bit floats lose whole pixels past 16.7 million. */
	y: Float64Array;
	w: Float32Array;
	h: Float32Array;
	/** The lowest bottom among this tile and all before it: never decreases, so it can be searched. */
	bottom: Float64Array;
}

const RATIO = Float32Array.from({ length: 256 }, (_, byte) => 2 ** ((byte - 128) / 48));

export const widthToHeight = (byte: number): number => RATIO[byte]!;

export function decodeRatios(base64: string): Uint8Array<ArrayBuffer> {
	const text = atob(base64);
	const bytes = new Uint8Array(text.length);
	for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
	return bytes;
}

/** Lays out one tile for each ratio byte. In every mode the tops never decrease from tile to tile. */
export function layOut(ratios: Uint8Array, shape: Shape): Layout {
	const count = ratios.length;
	const layout: Layout = {
		mode: shape.mode,
		count,
		height: 0,
		x: new Float32Array(count),
		y: new Float64Array(count),
		w: new Float32Array(count),
		h: new Float32Array(count),
		bottom: new Float64Array(count)
	};
	if (count === 0 || shape.width <= 0) return layout;
	if (shape.mode === 'rows') layRows(layout, ratios, shape);
	else layColumns(layout, ratios, shape);
	let lowest = 0;
	for (let i = 0; i < count; i++) {
		lowest = Math.max(lowest, layout.y[i]! + layout.h[i]!);
		layout.bottom[i] = lowest;
	}
	layout.height = lowest;
	return layout;
}

function layRows(layout: Layout, ratios: Uint8Array, { width, size, gap }: Shape): void {
	let start = 0;
	let sum = 0;
	let top = 0;
	const put = (end: number, height: number) => {
		// Right edges are rounded, not widths, so every gap is whole and the last edge meets the margin.
		let edge = 0;
		let left = 0;
		for (let i = start; i < end; i++) {
			edge += widthToHeight(ratios[i]!) * height;
			const right = Math.min(width, Math.round(edge + (i - start) * gap));
			layout.x[i] = left;
			layout.y[i] = top;
			layout.w[i] = Math.max(1, right - left);
			layout.h[i] = Math.round(height);
			left = right + gap;
		}
		top += Math.round(height) + gap;
		start = end;
	};
	const heightOf = (tiles: number, ratioSum: number) => (width - gap * (tiles - 1)) / ratioSum;
	for (let i = 0; i < layout.count; i++) {
		const ratio = widthToHeight(ratios[i]!);
		const height = heightOf(i - start + 1, sum + ratio);
		if (height > size) {
			sum += ratio;
			continue;
		}
		const without = i > start ? heightOf(i - start, sum) : Infinity;
		// Break before this tile where that leaves the row nearer to the height asked for.
		if (without / size < size / height) {
			put(i, without);
			sum = ratio;
			const alone = heightOf(1, ratio);
			if (alone <= size) {
				put(i + 1, alone);
				sum = 0;
			}
		} else {
			put(i + 1, height);
			sum = 0;
		}
	}
	if (start < layout.count) put(layout.count, size);
}

function layColumns(layout: Layout, ratios: Uint8Array, { mode, width, size, gap }: Shape): void {
	const columns = Math.max(1, Math.floor((width + gap) / (size + gap)));
	const left = Array.from({ length: columns + 1 }, (_, column) =>
		Math.round((column * (width + gap)) / columns)
	);
	const bottoms = new Float64Array(columns);
	const square = Math.floor((width + gap) / columns) - gap;
	for (let i = 0; i < layout.count; i++) {
		let column = 0;
		if (mode === 'squares') column = i % columns;
		else for (let c = 1; c < columns; c++) if (bottoms[c]! < bottoms[column]!) column = c;
		const wide = left[column + 1]! - gap - left[column]!;
		const high =
			mode === 'squares' ? square : Math.max(1, Math.round(wide / widthToHeight(ratios[i]!)));
		layout.x[i] = left[column]!;
		layout.y[i] = bottoms[column]!;
		layout.w[i] = wide;
		layout.h[i] = high;
		bottoms[column] = bottoms[column]! + high + gap;
	}
}

/** The tiles that may be seen between two heights, `end` excluded: two binary searches. */
export function windowOf(
	layout: Layout,
	top: number,
	bottom: number
): { start: number; end: number } {
	const start = firstOver(layout.bottom, top);
	return { start, end: Math.max(start, firstOver(layout.y, bottom)) };
}

/** The first index whose value is over the limit; the length where none is. */
function firstOver(sorted: Float64Array, limit: number): number {
	let low = 0;
	let high = sorted.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if (sorted[middle]! > limit) high = middle;
		else low = middle + 1;
	}
	return low;
}

export type Direction = 'left' | 'right' | 'up' | 'down';

/** The tile next to this one as the eye sees it; the same tile at the edge of the library. */
export function neighbour(layout: Layout, from: number, direction: Direction): number {
	if (direction === 'left') return Math.max(0, from - 1);
	if (direction === 'right') return Math.min(layout.count - 1, from + 1);
	const middle = layout.x[from]! + layout.w[from]! / 2;
	const top = layout.y[from]!;
	const edge = top + layout.h[from]!;
	const step = direction === 'down' ? 1 : -1;
	let best = from;
	let nearest = Infinity;
	let rowLimit = Infinity;
	for (let i = from + step; i >= 0 && i < layout.count; i += step) {
		const apart = direction === 'down' ? layout.y[i]! - edge : top - layout.y[i]! - layout.h[i]!;
		if (apart < 0) continue;
		if (Math.abs(layout.y[i]! - top) > rowLimit) break;
		const off = Math.max(0, layout.x[i]! - middle, middle - layout.x[i]! - layout.w[i]!);
		if (off + apart < nearest) {
			nearest = off + apart;
			best = i;
		}
		// Nothing further than a screen past the first candidate can be nearer.
		if (rowLimit === Infinity) rowLimit = Math.abs(layout.y[i]! - top) + layout.h[i]! * 2;
	}
	return best;
}
