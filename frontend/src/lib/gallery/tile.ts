import { clock } from '#lib/format.ts';
import type { MenuEntry } from '#lib/ui/menu.ts';
import type { Asset } from './assets.ts';
import { KIND_LABELS } from './filters.ts';

/** What a tile tells the grid that it stands in. */
export interface TileHost {
	href: (asset: Asset) => string;
	isSelected: (asset: Asset) => boolean;
	/** Whether a plain click selects. */
	readonly isSelecting: boolean;
	open: (place: number) => void;
	toggle: (place: number) => void;
	rangeTo: (place: number) => void;
	/** A press on the check circle that may become a sweep over many tiles. */
	sweep: (place: number, event: PointerEvent) => void;
	menu: (asset: Asset, place: number) => MenuEntry[];
	refresh: (place: number) => void;
	drag: (asset: Asset, data: DataTransfer) => void;
}

/** The smallest picture that is sharp at this size. */
export function pictureFor(asset: Asset, longSide: number): string | null {
	const { urls } = asset;
	const pixels = longSide * (globalThis.devicePixelRatio || 1);
	const small = pixels <= 300 ? urls.thumbnail_240 : null;
	const middle = pixels <= 600 ? urls.thumbnail_480 : null;
	const any = urls.thumbnail_960 ?? urls.thumbnail_480 ?? urls.thumbnail_240 ?? urls.poster;
	return small ?? middle ?? any ?? (asset.media_type === 'image' ? urls.file : null);
}

/** A tile in words: kind, length, prompt. */
export function tileName(asset: Asset): string {
	const length = asset.duration_s ? `, ${clock(asset.duration_s)}` : '';
	const text = asset.name ?? asset.prompt;
	return `${KIND_LABELS[asset.media_type]}${length}${text ? `: ${text}` : ''}`;
}
