import type { AssetDetail } from '../assets.ts';

type Lineage = AssetDetail['lineage'];
export type Node = Lineage['assets'][number];

/** How many steps each asset is from the one that is asked about: parents are negative, children positive. */
export function depthsFrom(id: string, { links }: Lineage): Map<string, number> {
	const depths = new Map([[id, 0]]);
	const follow = (from: 'child_id' | 'parent_id', to: 'child_id' | 'parent_id', step: number) => {
		let edge = [id];
		while (edge.length) {
			const next = [];
			for (const link of links) {
				if (!edge.includes(link[from]) || depths.has(link[to])) continue;
				depths.set(link[to], depths.get(link[from])! + step);
				next.push(link[to]);
			}
			edge = next;
		}
	};
	follow('child_id', 'parent_id', -1);
	follow('parent_id', 'child_id', 1);
	return depths;
}

/** The assets in columns from the oldest ancestor to the youngest child, this one's column included. */
export function columnsOf(id: string, lineage: Lineage): { depth: number; assets: Node[] }[] {
	const depths = depthsFrom(id, lineage);
	const columns = new Map<number, Node[]>();
	for (const asset of lineage.assets) {
		const depth = depths.get(asset.id);
		if (depth === undefined) continue;
		columns.set(depth, [...(columns.get(depth) ?? []), asset]);
	}
	return [...columns]
		.map(([depth, assets]) => ({ depth, assets }))
		.sort((one, other) => one.depth - other.depth);
}
