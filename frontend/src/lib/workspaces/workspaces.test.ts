import { describe, expect, it } from 'vitest';
import { factsOf, type Workspace } from './workspaces.ts';

const aWorkspace = (changes: Partial<Workspace>): Workspace => ({
	id: 'w',
	name: 'Spring campaign',
	description: '',
	defaults: { operation_type: null, provider_id: null, model: null, priority: null },
	asset_count: 0,
	job_count: 0,
	active_jobs: 0,
	spent_this_month: 0,
	covers: [],
	created_at: '2026-11-01T00:00:00Z',
	updated_at: '2026-11-01T00:00:00Z',
	...changes
});

describe('factsOf', () => {
	it('tells only what there is', () => {
		expect(factsOf(aWorkspace({}))).toEqual(['No items yet']);
		expect(
			factsOf(aWorkspace({ asset_count: 128, active_jobs: 1, spent_this_month: 1240 }))
		).toEqual(['128 items', '1 job under way', '1,240 credits this month']);
	});
});
