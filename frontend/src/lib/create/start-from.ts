/** Addresses that begin something: `?remix=ASSET`, `?from=ASSET&op=&slot=`, `?workspace=ID`. */
import { api, ok } from '#lib/api/client.ts';
import { toastError } from '#lib/ui/toasts.ts';
import type { Composer, Recipe } from './composer.svelte.ts';
import type { Media } from './media-source.svelte.ts';

const NAMES = ['remix', 'from', 'op', 'slot', 'workspace'];

export function hasStart(url: URL): boolean {
	return NAMES.some((name) => url.searchParams.has(name));
}

/** The address without them: what was begun is the draft's from then on. */
export function withoutStart(url: URL): string {
	const rest = new URL(url);
	for (const name of NAMES) rest.searchParams.delete(name);
	return rest.pathname + rest.search;
}

export async function startFrom(
	url: URL,
	composer: Composer,
	media: Media,
	chooseWorkspace: (id: string) => void
): Promise<void> {
	const query = url.searchParams;
	const [remix, from, workspace] = [query.get('remix'), query.get('from'), query.get('workspace')];
	if (workspace) chooseWorkspace(workspace);
	try {
		if (remix) await remixAsset(remix, composer, media);
		if (from) {
			const asset = await readAsset(from);
			const operation = composer.model?.operations.find(fits) ?? composer.operations.find(fits);
			if (operation) composer.chooseOperation(operation);
			media.addAsset(asset.id, asset.media_type, query.get('slot'));
		}
	} catch (error) {
		toastError('This cannot be started from', error);
	}

	function fits({ operation_type }: { operation_type: string }): boolean {
		return operation_type === query.get('op');
	}
}

/** Of what was made here, its recipe; of what was brought, the thing itself. */
async function remixAsset(id: string, composer: Composer, media: Media): Promise<void> {
	const { recipe, media_type } = await readAsset(id);
	if ('provider_id' in recipe) {
		if (!composer.load(recipe as unknown as Recipe))
			throw new Error('What made it is not offered here any more.');
	} else media.addAsset(id, media_type);
}

function readAsset(asset_id: string) {
	return ok(api.GET('/api/v1/assets/{asset_id}', { params: { path: { asset_id } } }));
}
