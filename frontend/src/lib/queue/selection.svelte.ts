import { SvelteSet } from 'svelte/reactivity';

/** Which rows are chosen: some by id, or all that the list's filter finds. */
export class RowSelection {
	readonly ids = new SvelteSet<string>();
	isAll = $state(false);
	#anchor: string | null = null;

	get isActive(): boolean {
		return this.isAll || this.ids.size > 0;
	}

	has(id: string): boolean {
		return this.isAll || this.ids.has(id);
	}

	toggle(id: string): void {
		this.isAll = false;
		if (!this.ids.delete(id)) this.ids.add(id);
		this.#anchor = id;
	}

	/** Chooses all from the last toggled row to this one, as the rows stand now. */
	extendTo(id: string, order: string[]): void {
		const from = this.#anchor === null ? -1 : order.indexOf(this.#anchor);
		const to = order.indexOf(id);
		if (from < 0 || to < 0) {
			this.toggle(id);
			return;
		}
		this.isAll = false;
		for (const between of order.slice(Math.min(from, to), Math.max(from, to) + 1))
			this.ids.add(between);
	}

	chooseAll(): void {
		this.clear();
		this.isAll = true;
	}

	/** Forgets rows that are gone. */
	keep(isThere: (id: string) => boolean): void {
		for (const id of this.ids) if (!isThere(id)) this.ids.delete(id);
	}

	clear(): void {
		this.ids.clear();
		this.isAll = false;
		this.#anchor = null;
	}
}
