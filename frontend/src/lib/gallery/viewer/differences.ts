import type { AssetDetail } from '../assets.ts';
import type { Names } from '../filters.ts';
import { rowsOf } from './recipe.ts';

export interface Difference {
	label: string;
	/** One for each asset, in their order. */
	values: string[];
}

function facts(asset: AssetDetail, names: Names): Map<string, string> {
	const params = (asset.recipe.params ?? {}) as Record<string, unknown>;
	const found = new Map<string, string>([
		['Prompt', asset.prompt],
		['Provider', asset.provider_id ? names.provider(asset.provider_id) : ''],
		['Model', asset.model ?? ''],
		['Made by', asset.operation_type ? names.operation(asset.operation_type) : ''],
		['Size', asset.width ? `${asset.width} × ${asset.height}` : ''],
		['Rating', asset.rating ? `${asset.rating} of 5` : '']
	]);
	for (const { label, value } of rowsOf(params, undefined, ['model'])) found.set(label, value);
	return found;
}

/** What is not the same in all of them. */
export function differences(assets: readonly AssetDetail[], names: Names): Difference[] {
	const all = assets.map((asset) => facts(asset, names));
	const labels = new Set(all.flatMap((found) => [...found.keys()]));
	return [...labels]
		.map((label) => ({ label, values: all.map((found) => found.get(label) || 'None') }))
		.filter(({ values }) => new Set(values).size > 1);
}
