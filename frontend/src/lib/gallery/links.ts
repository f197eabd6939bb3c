/** Ways from an asset into making the next thing. */
import type { Schema } from '#lib/api/client.ts';
import type { Asset } from './assets.ts';

type Operation = Pick<
	Schema<'OperationRead'>,
	'operation_type' | 'title' | 'inputs' | 'params_schema'
>;

const EXTEND = 'video_extend';

/** What was made here has a recipe; what was uploaded has none. */
export const canRemix = (asset: Pick<Asset, 'origin'>) => asset.origin === 'generated';

export const remixHref = (asset: Pick<Asset, 'id'>) => `/create?remix=${asset.id}`;

/** A new job that takes the asset as one of its inputs. */
export function useHref(asset: Pick<Asset, 'id'>, operation: string, slot?: string): string {
	const query = new URLSearchParams({ from: asset.id, op: operation });
	if (slot) query.set('slot', slot);
	return `/create?${query}`;
}

export interface Use {
	label: string;
	href: string;
}

interface Properties {
	properties?: Record<string, { title?: string } | undefined>;
}

/** What an asset can be used as, apart from being extended: one entry for each operation and slot that takes its kind. */
export function usesOf(asset: Asset, operations: readonly Operation[]): Use[] {
	const uses = new Map<string, Use>();
	for (const operation of operations) {
		if (operation.operation_type === EXTEND) continue;
		const slots = operation.inputs.filter(({ kinds }) => kinds.includes(asset.media_type));
		for (const { name } of slots) {
			const key = `${operation.operation_type} ${name}`;
			if (uses.has(key)) continue;
			const { properties } = operation.params_schema as Properties;
			const slot = properties?.[name]?.title ?? name;
			const label = slots.length > 1 ? `${operation.title}: ${slot}` : operation.title;
			uses.set(key, { label, href: useHref(asset, operation.operation_type, name) });
		}
	}
	return [...uses.values()];
}

/** Where a film goes on, if any operation can do that. */
export function extendHref(asset: Asset, operations: readonly Operation[]): string | undefined {
	if (asset.media_type !== 'video') return undefined;
	const operation = operations.find(({ operation_type: type }) => type === EXTEND);
	const slot = operation?.inputs.find(({ kinds }) => kinds.includes('video'))?.name;
	return operation && useHref(asset, operation.operation_type, slot);
}
