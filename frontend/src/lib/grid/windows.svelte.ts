import { SvelteMap, SvelteSet } from 'svelte/reactivity';

export const PAGE_SIZE = 128;
const PAGES_KEPT = 60;
/** Pixels a millisecond over which tiles fly by too fast to be worth asking for. */
const FAST = 8;
const FAST_WAIT_MS = 90;
const RANGE_STREAMS = 3;

/** Items of one page in order; null is a hole. */
export type LoadPage<T> = (page: number, signal: AbortSignal) => Promise<(T | null)[]>;

/** The loaded pieces of a long list: asks for what is on screen, drops what was seen longest ago. */
export class Windows<T extends { id: string }> {
	readonly #load: LoadPage<T>;
	readonly #pages = new SvelteMap<number, readonly (T | null)[]>();
	/** Pages that could not be loaded, and why. */
	readonly failures = new SvelteMap<number, unknown>();
	readonly #asked = new Map<number, AbortController>();
	/** Pages by the time they were last on screen, oldest first. */
	readonly #seen = new Set<number>();
	#wanted: readonly [number, number] = [0, -1];
	#timer: ReturnType<typeof setTimeout> | undefined;
	/** Ids taken away on this screen; they are holes until the next snapshot. */
	readonly #removed = new SvelteSet<string>();

	constructor(
		load: LoadPage<T>,
		readonly total: number
	) {
		this.#load = load;
	}

	/** The item at a place; null for a hole, undefined while it is not loaded. */
	at(place: number): T | null | undefined {
		const item = this.#pages.get(Math.floor(place / PAGE_SIZE))?.[place % PAGE_SIZE];
		return item && this.#removed.has(item.id) ? null : item;
	}

	/** The place of a loaded item. */
	placeOf(id: string): number | undefined {
		for (const [page, items] of this.#pages) {
			const index = items.findIndex((item) => item?.id === id);
			if (index >= 0) return page * PAGE_SIZE + index;
		}
		return undefined;
	}

	/** Tells what is on screen (`end` excluded) and how fast it moves in pixels a millisecond. */
	show(start: number, end: number, speed = 0): void {
		if (end <= start) return;
		this.#wanted = [Math.floor(start / PAGE_SIZE), Math.floor((end - 1) / PAGE_SIZE)];
		const [first, last] = this.#wanted;
		for (const [page, asked] of this.#asked) {
			if (page < first - 1 || page > last + 1) {
				asked.abort();
				this.#asked.delete(page);
			}
		}
		clearTimeout(this.#timer);
		if (speed > FAST) this.#timer = setTimeout(() => this.#fill(), FAST_WAIT_MS);
		else this.#fill();
	}

	/** Loads places before anybody looks at them; a failure is left for the look to meet. */
	async preload(start: number, end: number): Promise<void> {
		const pages = [];
		for (let page = Math.floor(start / PAGE_SIZE); page * PAGE_SIZE < end; page++) {
			if (!this.#pages.has(page) && !this.#asked.has(page)) pages.push(page);
		}
		await Promise.all(pages.map((page) => this.#fetch(page)));
	}

	/** Asks again for the pages that failed. */
	retry(): void {
		this.failures.clear();
		this.#fill();
	}

	/** Asks again for the page of a place: its links have run out. */
	refresh(place: number): void {
		void this.#fetch(Math.floor(place / PAGE_SIZE));
	}

	/** All items from start to end (excluded), loading what is missing; holes are left out. */
	async range(start: number, end: number): Promise<T[]> {
		const first = Math.floor(start / PAGE_SIZE);
		const last = Math.floor((end - 1) / PAGE_SIZE);
		const found: (readonly (T | null)[])[] = [];
		let next = first;
		const stream = async () => {
			for (let page = next++; page <= last; page = next++) {
				found[page - first] =
					this.#pages.get(page) ?? (await this.#load(page, new AbortController().signal));
			}
		};
		await Promise.all(Array.from({ length: RANGE_STREAMS }, stream));
		return found
			.flat()
			.slice(start - first * PAGE_SIZE, end - first * PAGE_SIZE)
			.filter((item): item is T => item !== null && !this.#removed.has(item.id));
	}

	/** Changes loaded items in place; the others will come changed from the server. */
	patch(ids: ReadonlySet<string>, change: (item: T) => T): void {
		for (const [page, items] of this.#pages) {
			if (!items.some((item) => item && ids.has(item.id))) continue;
			this.#pages.set(
				page,
				items.map((item) => (item && ids.has(item.id) ? change(item) : item))
			);
		}
	}

	/** Changes every loaded item that passes. */
	patchWhere(test: (item: T) => boolean, change: (item: T) => T): void {
		const ids = [...this.loaded()].filter(test).map((item) => item.id);
		this.patch(new Set(ids), change);
	}

	remove(ids: Iterable<string>): void {
		for (const id of ids) this.#removed.add(id);
	}

	restore(ids: Iterable<string>): void {
		for (const id of ids) this.#removed.delete(id);
	}

	*loaded(): Generator<T> {
		for (const items of this.#pages.values()) for (const item of items) if (item) yield item;
	}

	close(): void {
		clearTimeout(this.#timer);
		for (const asked of this.#asked.values()) asked.abort();
		this.#asked.clear();
	}

	#fill(): void {
		const [first, last] = this.#wanted;
		for (let page = first; page <= last; page++) {
			this.#seen.delete(page);
			this.#seen.add(page);
			if (!this.#pages.has(page) && !this.#asked.has(page) && !this.failures.has(page)) {
				void this.#fetch(page);
			}
		}
	}

	async #fetch(page: number): Promise<void> {
		const asked = new AbortController();
		this.#asked.get(page)?.abort();
		this.#asked.set(page, asked);
		try {
			const items = await this.#load(page, asked.signal);
			if (asked.signal.aborted) return;
			this.#pages.set(page, items);
			this.#seen.add(page);
			this.failures.delete(page);
			this.#drop();
		} catch (error) {
			if (!asked.signal.aborted) this.failures.set(page, error);
		} finally {
			if (this.#asked.get(page) === asked) this.#asked.delete(page);
		}
	}

	#drop(): void {
		const [first, last] = this.#wanted;
		for (const page of this.#seen) {
			if (this.#pages.size <= PAGES_KEPT) return;
			if (page >= first && page <= last) continue;
			this.#pages.delete(page);
			this.#seen.delete(page);
		}
	}
}
