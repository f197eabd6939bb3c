/**
 * A browser cuts off boxes past some ten million device pixels, so the scroll box is capped, and what it shows is mapped:
 * small moves are one to one, jumps are proportional, both ends are exact.
 */

export const BOX_LIMIT = 6_000_000;
const JUMP_SCREENS = 1.5;

export class ScrollMap {
	readonly box: number;
	/** What is added to the scroll position to get the position in the content. */
	#offset = 0;
	#last = 0;

	constructor(
		readonly total: number,
		readonly view: number,
		limit = BOX_LIMIT / (globalThis.devicePixelRatio || 1)
	) {
		this.box = Math.min(total, limit);
	}

	get offset(): number {
		return this.#offset;
	}

	get top(): number {
		return this.#last + this.#offset;
	}

	get end(): number {
		return Math.max(0, this.total - this.view);
	}

	get #boxEnd(): number {
		return Math.max(0, this.box - this.view);
	}

	/** Takes a scroll position of the box; returns the top in the content. */
	moved(scrollTop: number): number {
		const position = Math.min(Math.max(0, scrollTop), this.#boxEnd);
		if (this.box < this.total) {
			const jump = Math.abs(position - this.#last) > this.view * JUMP_SCREENS;
			// A box's last position may be a fraction of a pixel short.
			if (position >= this.#boxEnd - 1) this.#offset = this.end - position;
			else if (position <= 0) this.#offset = 0;
			else if (jump) this.#offset = this.#contentAt(position) - position;
			else this.#offset = Math.min(Math.max(this.#offset, -position), this.end - position);
		}
		this.#last = position;
		return this.top;
	}

	/** Puts the content at a top; returns the scroll position that stands for it. */
	jump(top: number): number {
		const target = Math.min(Math.max(0, top), this.end);
		this.#last = this.box < this.total ? this.#positionOf(target) : target;
		this.#offset = target - this.#last;
		return this.#last;
	}

	/** The scroll position after rest: the same content, its place in the box proportional again. */
	rest(): number {
		return this.jump(this.top);
	}

	/** Tells what the browser made of the position that was asked for. */
	rounded(scrollTop: number): void {
		this.#offset += this.#last - scrollTop;
		this.#last = scrollTop;
	}

	#contentAt(position: number): number {
		return (position / this.#boxEnd) * this.end;
	}

	#positionOf(top: number): number {
		return this.end === 0 ? 0 : (top / this.end) * this.#boxEnd;
	}
}
