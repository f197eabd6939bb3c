import { describe, expect, it } from 'vitest';
import { columnsOf, depthsFrom, type Node } from './lineage.ts';

const link = (parent_id: string, child_id: string) => ({ parent_id, child_id, role: 'image' });
const node = (id: string) => ({ id }) as Node;
const LINEAGE = {
	assets: ['upload', 'mask', 'still', 'film', 'longer', 'other'].map(node),
	links: [
		link('upload', 'still'),
		link('mask', 'still'),
		link('still', 'film'),
		link('film', 'longer'),
		link('film', 'other')
	]
};

describe('lineage', () => {
	it('counts steps to ancestors and to children', () => {
		expect(Object.fromEntries(depthsFrom('film', LINEAGE))).toEqual({
			film: 0,
			still: -1,
			upload: -2,
			mask: -2,
			longer: 1,
			other: 1
		});
	});

	it('stands in columns from the oldest to the youngest', () => {
		const columns = columnsOf('film', LINEAGE).map(({ assets }) => assets.map(({ id }) => id));
		expect(columns).toEqual([['upload', 'mask'], ['still'], ['film'], ['longer', 'other']]);
	});

	it('ends, also where links go round', () => {
		const round = { assets: [node('a'), node('b')], links: [link('a', 'b'), link('b', 'a')] };
		expect(columnsOf('a', round).flatMap(({ assets }) => assets)).toHaveLength(2);
	});
});
