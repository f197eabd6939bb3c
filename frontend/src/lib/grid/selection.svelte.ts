import { SvelteSet } from 'svelte/reactivity';

/** What a bulk call is told: ids, or everything of a snapshot but some. */
export type Selected = { ids: string[] } | { snapshot: string; except: string[] };

/** What is selected in one snapshot of a list. "Everything" is a rule, never a list of ids. */
export class Selection {
	/** The selected ids; while everything is selected, the ids left out. */
	readonly #ids = new SvelteSet<string>();
	#everything = $state(false);
	/** The place that a range begins at. */
	anchor: number | null = null;

	constructor(
		readonly snapshot: string,
		readonly total: number
	) {}

	get everything(): boolean {
		return this.#everything;
	}

	get count(): number {
		return this.#everything ? this.total - this.#ids.size : this.#ids.size;
	}

	get active(): boolean {
		return this.count > 0;
	}

	has(id: string): boolean {
		return this.#ids.has(id) !== this.#everything;
	}

	set(id: string, selected: boolean): void {
		if (selected === this.#everything) this.#ids.delete(id);
		else this.#ids.add(id);
	}

	toggle(id: string, place: number): void {
		this.set(id, !this.has(id));
		this.anchor = place;
	}

	setAll(ids: Iterable<string>, selected = true): void {
		for (const id of ids) this.set(id, selected);
	}

	selectEverything(): void {
		this.#ids.clear();
		this.#everything = true;
	}

	clear(): void {
		this.#ids.clear();
		this.#everything = false;
		this.anchor = null;
	}

	/** From the anchor to a place, both included; the place alone where there is no anchor. */
	rangeTo(place: number): { start: number; end: number } {
		const from = this.anchor ?? place;
		return { start: Math.min(from, place), end: Math.max(from, place) + 1 };
	}

	get selected(): Selected {
		return this.#everything
			? { snapshot: this.snapshot, except: [...this.#ids] }
			: { ids: [...this.#ids] };
	}
}
