import { describe, expect, it } from 'vitest';
import { layOutChain } from './chain.ts';
import { aJob } from './fixtures.ts';

const job = (id: string, parent_job_id: string | null = null) => aJob({ id, parent_job_id });

describe('layOutChain', () => {
	it('draws a column for each step and a row for each branch', () => {
		const chain = layOutChain([job('a'), job('b', 'a'), job('c', 'a'), job('d', 'b')]);
		const places = chain.nodes.map(({ job: { id }, column, row }) => `${id}${column}${row}`);
		expect(places).toEqual(['a00', 'b10', 'd20', 'c11']);
		expect(chain.links.map(({ from, to }) => from.job.id + to.job.id)).toEqual(['ab', 'bd', 'ac']);
		expect([chain.columns, chain.rows]).toEqual([3, 2]);
	});

	it('draws one job alone, also when its parent is not known', () => {
		expect(layOutChain([job('a', 'gone')])).toMatchObject({ columns: 1, rows: 1 });
	});
});
