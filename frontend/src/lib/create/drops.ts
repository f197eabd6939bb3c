/** What can be dropped or pasted into the prompt bar. */

/** The type under which tiles travel: `{ids: [...]}`, as the gallery's tiles do. */
export const ASSET_DRAG = 'application/x-pixsim7-assets';

export type Dropped = { files: File[]; assetIds: string[] };

/** Whether the page would take it; what it is can be read only when it is dropped. */
export function isWelcome(data: DataTransfer | null): boolean {
	return data !== null && (data.types.includes('Files') || data.types.includes(ASSET_DRAG));
}

export function readDrop(data: DataTransfer): Dropped {
	const files = [...data.files].filter(({ type }) => /^(image|video|audio)\//.test(type));
	return { files, assetIds: assetIds(data.getData(ASSET_DRAG)) };
}

function assetIds(text: string): string[] {
	if (!text) return [];
	const { ids } = JSON.parse(text) as { ids?: string[] };
	return ids ?? [];
}
