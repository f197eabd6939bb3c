/** A stretch of a list, `end` excluded. */
export type Stretch = { start: number; end: number };

const OVERSCAN = 0.6;

/** The rows to draw at a scroll position, with more than half a screen to spare on both sides. */
export function rowsAt(top: number, height: number, rowHeight: number, count: number): Stretch {
	const spare = height * OVERSCAN;
	const start = Math.max(0, Math.floor((top - spare) / rowHeight));
	const end = Math.min(count, Math.ceil((top + height + spare) / rowHeight));
	return { start: Math.min(start, end), end };
}

/** Where to scroll so that a row is wholly seen; the same position when it is. */
export function scrollTopFor(
	index: number,
	rowHeight: number,
	top: number,
	height: number
): number {
	const rowTop = index * rowHeight;
	if (rowTop < top) return rowTop;
	return Math.max(top, rowTop + rowHeight - height);
}
