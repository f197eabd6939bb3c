import Copy from '@lucide/svelte/icons/copy';
import Download from '@lucide/svelte/icons/download';
import FastForward from '@lucide/svelte/icons/fast-forward';
import FolderInput from '@lucide/svelte/icons/folder-input';
import Heart from '@lucide/svelte/icons/heart';
import RotateCcw from '@lucide/svelte/icons/rotate-ccw';
import Tag from '@lucide/svelte/icons/tag';
import Trash from '@lucide/svelte/icons/trash-2';
import WandSparkles from '@lucide/svelte/icons/wand-sparkles';
import { goto } from '$app/navigation';
import type { Selected } from '#lib/grid/selection.svelte.ts';
import type { KeyBinding } from '#lib/keys.ts';
import type { MenuEntry } from '#lib/ui/menu.ts';
import type { Asset } from './assets.ts';
import { copyPrompt, Edits } from './edits.ts';
import { canRemix, extendHref, remixHref, usesOf } from './links.ts';
import type { Library } from './library.svelte.ts';
import type { Catalogue } from './names.svelte.ts';

/** What an action is about: a selection, and the assets of it that are loaded. */
export interface Target {
	selected: Selected;
	assets: Asset[];
}

export const targetOf = (asset: Asset): Target => ({
	selected: { ids: [asset.id] },
	assets: [asset]
});

/** The deeds of the gallery, by menu, by key and by bar: the same everywhere a tile is shown. */
export class AssetActions {
	readonly edits: Edits;
	/** What is asked before it can be done: which tags, which workspace. */
	#question = $state.raw<{ kind: 'tag' | 'move'; target: Target } | null>(null);

	constructor(
		library: Library,
		readonly catalogue: Catalogue,
		private readonly scope: () => boolean = () => false
	) {
		this.edits = new Edits(library);
	}

	/** Whether this is the trash, where things are restored or deleted for good. */
	get isTrash() {
		return this.scope();
	}

	get question() {
		return this.#question;
	}

	askTags = (target: Target) => (this.#question = { kind: 'tag', target });
	askMove = (target: Target) => (this.#question = { kind: 'move', target });
	answered = () => (this.#question = null);

	/** Marks all as favourites; if all are already, none. */
	favourite({ selected, assets }: Target): void {
		const areAll = assets.length > 0 && assets.every((asset) => asset.is_favourite);
		void this.edits.favourite(selected, !areAll);
	}

	remove({ selected }: Target): void {
		if (this.isTrash) void this.edits.deleteForGood(selected);
		else void this.edits.trash(selected);
	}

	download({ selected, assets }: Target): void {
		const isOne = 'ids' in selected && selected.ids.length === 1;
		void this.edits.download(selected, isOne ? assets[0] : undefined);
	}

	extendHref = (asset: Asset) => extendHref(asset, this.catalogue.operations);
	usesOf = (asset: Asset) => usesOf(asset, this.catalogue.operations);

	menu(asset: Asset): MenuEntry[] {
		const target = targetOf(asset);
		if (this.isTrash) {
			return [
				{
					label: 'Restore',
					icon: RotateCcw,
					onselect: () => void this.edits.restore(target.selected)
				},
				{
					label: 'Delete for good',
					icon: Trash,
					keys: 'Delete',
					isDanger: true,
					onselect: () => this.remove(target)
				}
			];
		}
		const extend = this.extendHref(asset);
		const uses = this.usesOf(asset);
		return [
			...(canRemix(asset)
				? [{ label: 'Remix', icon: WandSparkles, keys: 'r', href: remixHref(asset) }]
				: []),
			...(extend ? [{ label: 'Extend', icon: FastForward, keys: 'e', href: extend }] : []),
			...(uses.length ? [{ heading: 'Use for' }, ...uses, 'separator' as const] : []),
			{
				label: 'Favourite',
				icon: Heart,
				keys: 'f',
				checked: asset.is_favourite,
				onselect: () => this.favourite(target)
			},
			...(asset.prompt
				? [{ label: 'Copy prompt', icon: Copy, onselect: () => void copyPrompt(asset.prompt) }]
				: []),
			{ label: 'Tag…', icon: Tag, keys: 't', onselect: () => this.askTags(target) },
			{ label: 'Move to…', icon: FolderInput, keys: 'm', onselect: () => this.askMove(target) },
			{ label: 'Download', icon: Download, keys: 'd', onselect: () => this.download(target) },
			'separator',
			{
				label: 'Delete',
				icon: Trash,
				keys: 'Delete',
				isDanger: true,
				onselect: () => this.remove(target)
			}
		];
	}

	/** The letters of grid and viewer, for whatever is meant at the moment. */
	keys(
		group: string,
		meant: () => Target | null,
		within?: () => Element | undefined
	): KeyBinding[] {
		const when = () => meant() !== null;
		const bind = (keys: string, label: string, run: (target: Target) => void): KeyBinding => ({
			keys,
			label,
			group,
			when,
			within,
			run: () => run(meant()!)
		});
		const remove = bind('Delete', this.isTrash ? 'Delete for good' : 'Delete', (target) =>
			this.remove(target)
		);
		if (this.isTrash) return [remove];
		return [
			bind('f', 'Favourite', (target) => this.favourite(target)),
			bind('r', 'Remix', ({ assets: [asset] }) => {
				if (asset && canRemix(asset)) void goto(remixHref(asset));
			}),
			bind('e', 'Extend', ({ assets: [asset] }) => {
				const href = asset && this.extendHref(asset);
				if (href) void goto(href);
			}),
			bind('t', 'Tag', this.askTags),
			bind('m', 'Move to a workspace', this.askMove),
			bind('d', 'Download', (target) => this.download(target)),
			remove,
			bind('0', 'No rating', ({ selected }) => void this.edits.rate(selected, null)),
			...[1, 2, 3, 4, 5].map((stars) =>
				bind(
					String(stars),
					`Rate ${stars}`,
					({ selected }) => void this.edits.rate(selected, stars)
				)
			)
		];
	}
}
