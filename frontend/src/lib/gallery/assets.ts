/** The library's part of the API, as the gallery uses it. */
import { api, ok, type Schema } from '#lib/api/client.ts';
import type { paths } from '#lib/api/schema.d.ts';
import type { Selected } from '#lib/grid/selection.svelte.ts';
import { PAGE_SIZE } from '#lib/grid/windows.svelte.ts';

export type MediaType = Schema<'MediaType'>;
export type Asset = Schema<'AssetTile'>;
export type AssetDetail = Schema<'AssetDetail'>;
export type AssetLayout = Schema<'AssetLayoutRead'>;
export type Facets = Schema<'AssetFacets'>;

type LayoutQuery = NonNullable<paths['/api/v1/assets/layout']['get']['parameters']['query']>;
type Bulk = paths['/api/v1/assets/bulk']['post'];
type BulkBody = Bulk['requestBody']['content']['application/json'];
export type BulkResult = Bulk['responses'][200]['content']['application/json'];
export type AssetSort = NonNullable<LayoutQuery['sort']>;
export type AssetFilter = Omit<LayoutQuery, 'sort' | 'time_zone'>;

/** The most ids that one bulk call takes. */
const BULK_IDS = 1000;

export function readLayout(
	filter: AssetFilter,
	sort: AssetSort,
	signal?: AbortSignal
): Promise<AssetLayout> {
	const time_zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
	const query = { ...filter, sort, time_zone };
	return ok(api.GET('/api/v1/assets/layout', { params: { query }, signal }));
}

export async function readWindow(
	snapshot: string,
	page: number,
	signal?: AbortSignal
): Promise<(Asset | null)[]> {
	const query = { offset: page * PAGE_SIZE, limit: PAGE_SIZE };
	const params = { path: { snapshot_id: snapshot }, query };
	const { items } = await ok(api.GET('/api/v1/assets/snapshots/{snapshot_id}', { params, signal }));
	return items;
}

export function readFacets(filter: AssetFilter, signal?: AbortSignal): Promise<Facets> {
	return ok(api.GET('/api/v1/assets/facets', { params: { query: filter }, signal }));
}

export function readAsset(asset_id: string, signal?: AbortSignal): Promise<AssetDetail> {
	return ok(api.GET('/api/v1/assets/{asset_id}', { params: { path: { asset_id } }, signal }));
}

/** What can be done to many at once. */
export type Deed =
	| { action: 'favourite'; value: boolean }
	| { action: 'tag' | 'untag'; value: string[] }
	| { action: 'move'; value: string | null }
	| { action: 'rate'; value: number | null }
	| { action: 'trash' | 'restore' | 'delete' };

/** Does one thing to a selection. Ids go in pieces; each piece is done wholly or not at all. */
export async function bulk(deed: Deed, selected: Selected): Promise<BulkResult> {
	const total: BulkResult = { matched: 0, changed: 0, in_use: 0 };
	for (const piece of piecesOf(selected)) {
		const body = { ...deed, ...piece } as BulkBody;
		const done = await ok(api.POST('/api/v1/assets/bulk', { body }));
		total.matched += done.matched;
		total.changed += done.changed;
		total.in_use += done.in_use;
	}
	return total;
}

function piecesOf(selected: Selected): Selected[] {
	if (!('ids' in selected)) return [selected];
	const pieces = [];
	for (let i = 0; i < selected.ids.length; i += BULK_IDS) {
		pieces.push({ ids: selected.ids.slice(i, i + BULK_IDS) });
	}
	return pieces;
}

export async function readArchive(selected: Selected, name: string): Promise<Blob> {
	const body = { ...selected, name };
	return (await ok(api.POST('/api/v1/assets/archive', { body, parseAs: 'blob' }))) as Blob;
}
