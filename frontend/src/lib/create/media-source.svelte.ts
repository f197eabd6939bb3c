import { api, ok, toApiError } from '#lib/api/client.ts';
import { session } from '#lib/session.svelte.ts';
import { bytes } from '#lib/format.ts';
import { toastError } from '#lib/ui/toasts.ts';
import type { Composer } from './composer.svelte.ts';
import type { Dropped } from './drops.ts';
import type { MediaKind, PlacedSlot } from './media.ts';
import { upload } from './upload.ts';

/** Brings media into the prompt bar: from the library, from this machine, from an address. */
export class Media {
	/** The slot whose picker is open, by name. */
	openPicker = $state<string | null>(null);

	/** The slot that is being filled from the whole library. */
	browsed = $state.raw<PlacedSlot | null>(null);
	/** Pictures of this machine that were just brought, by the medium's key. */
	pictures = $state<Record<string, string | undefined>>({});

	#composer: Composer;
	#uploads: Record<string, { file: File; stopping: AbortController } | undefined> = {};

	constructor(composer: Composer) {
		this.#composer = composer;
		$effect(() => () => {
			for (const sent of Object.values(this.#uploads)) sent?.stopping.abort(new Error('left'));
			for (const url of Object.values(this.pictures)) if (url) URL.revokeObjectURL(url);
		});
	}

	/** Of the library. Raises nothing: what does not fit is said. */
	addAsset(id: string, kind: MediaKind, slot: string | null = null): string | null {
		return this.#add({ kind, value: id, slot, name: '', progress: null, error: null });
	}

	/** Of the library, of a kind that must be asked for. */
	async addAssetById(asset_id: string, slot: string | null = null): Promise<void> {
		try {
			const params = { path: { asset_id } };
			const asset = await ok(api.GET('/api/v1/assets/{asset_id}', { params }));
			this.addAsset(asset.id, asset.media_type, slot);
		} catch (error) {
			toastError('This cannot be used', error);
		}
	}

	/** Opens the picker of the next place there is; false when there is none. */
	pick(): boolean {
		const { placed, openSlot } = this.#composer;
		const slot = placed.slots.find(({ room }) => room > 0) ?? openSlot;
		this.openPicker = slot?.name ?? null;
		return slot !== null && slot !== undefined;
	}

	/** Leaves the picker of a slot for the whole library. */
	browse(slot: PlacedSlot): void {
		this.openPicker = null;
		this.browsed = slot;
	}

	addUrl(url: string, kind: MediaKind, slot: string | null): void {
		this.#add({ kind, value: url, slot, name: url, progress: null, error: null });
	}

	addFile(file: File, slot: string | null = null): void {
		const most = session.presence?.max_upload_bytes ?? Infinity;
		if (file.size > most) {
			toastError(
				`${file.name} is too large`,
				new Error(`It has ${bytes(file.size)}; ${bytes(most)} is the most that is taken.`)
			);
			return;
		}
		const kind = file.type.split('/')[0] as MediaKind;
		const medium = { kind, value: null, slot, name: file.name, progress: 0, error: null };
		const key = this.#add(medium);
		if (!key) return;
		if (kind === 'image') this.pictures[key] = URL.createObjectURL(file);
		void this.#send(key, file);
	}

	async drop({ files, assetIds }: Dropped): Promise<void> {
		for (const file of files) this.addFile(file);
		for (const id of assetIds) await this.addAssetById(id);
	}

	remove(key: string): void {
		this.#uploads[key]?.stopping.abort(new Error('removed'));
		delete this.#uploads[key];
		this.#composer.removeMedium(key);
	}

	retry(key: string): void {
		const sent = this.#uploads[key];
		if (sent) void this.#send(key, sent.file);
	}

	#add(medium: Parameters<Composer['addMedium']>[0]): string | null {
		const key = this.#composer.addMedium(medium);
		if (key === null)
			toastError('There is no place for this', new Error('No operation here can start from it.'));
		return key;
	}

	async #send(key: string, file: File): Promise<void> {
		const stopping = new AbortController();
		this.#uploads[key] = { file, stopping };
		this.#composer.updateMedium(key, { progress: 0, error: null });
		try {
			const asset = await upload(file, {
				workspaceId: this.#composer.workspaceId,
				onprogress: (progress) => this.#composer.updateMedium(key, { progress }),
				signal: stopping.signal
			});
			this.#composer.updateMedium(key, { value: asset.id, progress: null });
			delete this.#uploads[key];
		} catch (error) {
			if (stopping.signal.aborted) return;
			this.#composer.updateMedium(key, { error: toApiError(error).detail, progress: null });
		}
	}
}
