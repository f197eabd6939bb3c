import { describe, expect, it } from 'vitest';
import type { AssetDetail } from '../assets.ts';
import { differences } from './differences.ts';

const names = {
	provider: (id: string) => id,
	operation: (id: string) => id,
	workspace: (id: string) => id
};
const asset = (prompt: string, params: Record<string, unknown>) =>
	({
		prompt,
		provider_id: 'one',
		model: 'v5',
		operation_type: 'text_to_video',
		width: 1280,
		height: 720,
		rating: null,
		recipe: { params }
	}) as unknown as AssetDetail;

describe('differences', () => {
	it('are what is not the same in all, also where one of them says nothing', () => {
		const found = differences(
			[asset('hills', { seed: 1, style: 'anime' }), asset('hills', { seed: 2 })],
			names
		);
		expect(found).toEqual([
			{ label: 'Seed', values: ['1', '2'] },
			{ label: 'Style', values: ['anime', 'None'] }
		]);
	});
});
