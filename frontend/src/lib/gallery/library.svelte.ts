import { ApiError } from '#lib/api/client.ts';
import { decodeRatios } from '#lib/grid/layout.ts';
import { Selection, type Selected } from '#lib/grid/selection.svelte.ts';
import { PAGE_SIZE, Windows } from '#lib/grid/windows.svelte.ts';
import {
	readFacets,
	readLayout,
	readWindow,
	type Asset,
	type AssetFilter,
	type AssetLayout,
	type AssetSort,
	type Deed
} from './assets.ts';

export interface Question {
	filter: AssetFilter;
	sort: AssetSort;
}

/** What the event stream says about assets. */
export interface AssetEvent {
	type: string;
	asset_id?: string | null;
	data?: Record<string, unknown>;
}

const LIVE_WAIT_MS = 800;
const GONE = new Set(['asset:trashed', 'asset:deleted']);

/** One answer of the library: a snapshot, its geometry, the loaded items and what is selected of them. */
export class Library {
	#question: Question | undefined;
	#asking: AbortController | undefined;
	#status = $state<'loading' | 'ready' | 'failed'>('loading');
	#isAsking = $state(false);
	#answers = $state(0);
	#error = $state.raw<unknown>();
	#layout = $state.raw<AssetLayout>({ snapshot: '', total: 0, ratios: '', days: [] });
	#ratios = $state.raw(new Uint8Array());
	#windows = $state.raw(new Windows<Asset>(async () => [], 0));
	#selection = $state.raw(new Selection('', 0));
	#fresh = $state(0);
	#seen: readonly [number, number] = [0, 1];
	readonly #stale = new Set<number>();
	#timer: ReturnType<typeof setTimeout> | undefined;
	/** Whether new results may come in at once: nobody looks at anything that they would move. */
	mayFlow: () => boolean = () => false;

	/** loading: nothing to show yet; failed: the question was not answered. */
	get status() {
		return this.#status;
	}
	/** Another question is asked; what is shown answers the one before. */
	get isAsking() {
		return this.#isAsking;
	}
	/** Counts the questions that were answered; a new snapshot of the same question is none. */
	get answers() {
		return this.#answers;
	}
	/** Why the last question was not answered. */
	get error() {
		return this.#error;
	}
	get ratios() {
		return this.#ratios;
	}
	get days() {
		return this.#layout.days;
	}
	get total() {
		return this.#layout.total;
	}
	get snapshot() {
		return this.#layout.snapshot;
	}
	get windows() {
		return this.#windows;
	}
	get selection() {
		return this.#selection;
	}
	/** How many results came since the snapshot. */
	get fresh() {
		return this.#fresh;
	}

	/** Asks something else. What is shown stays until the answer is here. */
	async ask(question: Question): Promise<void> {
		this.#question = question;
		this.#isAsking = true;
		if (this.#status === 'failed') this.#status = 'loading';
		await this.#read();
	}

	/** Takes a new snapshot of the same question, without a flash: what is on screen is loaded first. */
	async refresh(): Promise<void> {
		await this.#read();
	}

	show(start: number, end: number, speed: number): void {
		this.#seen = [start, end];
		this.#windows.show(start, end, speed);
	}

	async #read(): Promise<void> {
		const question = this.#question;
		if (!question) return;
		this.#asking?.abort();
		const asking = new AbortController();
		this.#asking = asking;
		try {
			const layout = await readLayout(question.filter, question.sort, asking.signal);
			const windows = this.#windowsOf(layout);
			if (this.#status === 'ready' && !this.#isAsking) {
				await windows.preload(this.#seen[0], Math.min(this.#seen[1], layout.total));
			}
			if (asking.signal.aborted) return windows.close();
			this.#windows.close();
			this.#layout = layout;
			this.#ratios = decodeRatios(layout.ratios);
			this.#windows = windows;
			this.#selection = new Selection(layout.snapshot, layout.total);
			this.#fresh = 0;
			this.#error = undefined;
			this.#status = 'ready';
			if (this.#isAsking) this.#answers += 1;
			this.#isAsking = false;
		} catch (error) {
			if (asking.signal.aborted) return;
			// A new snapshot that could not be had leaves the old one as it is.
			if (this.#status === 'ready' && !this.#isAsking) return;
			this.#error = error;
			this.#status = 'failed';
			this.#isAsking = false;
		}
	}

	#windowsOf(layout: AssetLayout): Windows<Asset> {
		const load = async (page: number, signal: AbortSignal) => {
			try {
				return await readWindow(layout.snapshot, page, signal);
			} catch (error) {
				const isGone = error instanceof ApiError && error.code === 'snapshot_not_found';
				if (isGone && this.snapshot === layout.snapshot) void this.refresh();
				throw error;
			}
		};
		return new Windows(load, layout.total);
	}

	/** Shows at once what a deed will have done. */
	expect(deed: Deed, selected: Selected): void {
		const isMeant =
			'ids' in selected
				? (
						(ids) => (asset: Asset) =>
							ids.has(asset.id)
					)(new Set(selected.ids))
				: (
						(except) => (asset: Asset) =>
							!except.has(asset.id)
					)(new Set(selected.except));
		if (deed.action === 'trash' || deed.action === 'restore' || deed.action === 'delete') {
			this.#windows.remove([...this.#windows.loaded()].filter(isMeant).map(({ id }) => id));
		} else {
			this.#windows.patchWhere(isMeant, (asset) => changed(asset, deed));
		}
	}

	/** Takes one event of the stream. */
	hear(event: AssetEvent): void {
		const id = event.asset_id ?? undefined;
		if (event.type === 'resync') void this.refresh();
		else if (event.type === 'asset:created' || event.type === 'asset:restored') this.#arrived();
		else if (event.type === 'asset:bulk_changed') this.#changedInBulk(event.data ?? {});
		else if (id && GONE.has(event.type)) this.#windows.remove([id]);
		else if (id && event.type.startsWith('asset:')) this.#changed([id]);
	}

	#changedInBulk(data: Record<string, unknown>): void {
		const ids = (data.ids ?? []) as string[];
		if (data.action === 'restore') this.#arrived();
		else if (data.action === 'trash' || data.action === 'delete') this.#windows.remove(ids);
		else this.#changed(ids);
	}

	#arrived(): void {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => void this.#count(), LIVE_WAIT_MS);
	}

	async #count(): Promise<void> {
		if (!this.#question || this.#status !== 'ready') return;
		if (this.mayFlow()) return this.refresh();
		try {
			const { total } = await readFacets(this.#question.filter, this.#asking?.signal);
			this.#fresh = Math.max(0, total - this.total);
		} catch {
			// The next event counts again.
		}
	}

	#changed(ids: string[]): void {
		const isFirst = this.#stale.size === 0;
		for (const id of ids) {
			const place = this.#windows.placeOf(id);
			if (place !== undefined) this.#stale.add(Math.floor(place / PAGE_SIZE));
		}
		if (!isFirst || this.#stale.size === 0) return;
		setTimeout(() => {
			for (const page of this.#stale) this.#windows.refresh(page * PAGE_SIZE);
			this.#stale.clear();
		}, LIVE_WAIT_MS);
	}

	close(): void {
		clearTimeout(this.#timer);
		this.#asking?.abort();
		this.#windows.close();
	}
}

function changed(asset: Asset, deed: Deed): Asset {
	switch (deed.action) {
		case 'favourite':
			return { ...asset, is_favourite: deed.value };
		case 'rate':
			return { ...asset, rating: deed.value };
		case 'move':
			return { ...asset, workspace_id: deed.value };
		case 'tag':
			return { ...asset, tags: [...new Set([...asset.tags, ...deed.value])] };
		case 'untag':
			return { ...asset, tags: asset.tags.filter((tag) => !deed.value.includes(tag)) };
		default:
			return asset;
	}
}
