import { describe, expect, it } from 'vitest';
import {
	chipsOf,
	DEFAULT_VIEW,
	isFiltered,
	NO_FILTERS,
	readFilters,
	readTokens,
	readView,
	toAssetFilter,
	writeQuery,
	type Filters
} from './filters.ts';

const FULL: Filters = {
	q: 'red "long exposure" -city',
	kind: 'video',
	provider: 'one',
	model: 'v5.5',
	operation: 'text_to_video',
	workspace: 'w1',
	tags: ['sunset', 'alps'],
	fav: true,
	rating: 4,
	from: '2026-10-01',
	to: '2026-10-31',
	origin: 'generated',
	status: 'downloaded'
};

describe('filters in the URL', () => {
	it('come back as they were written, all of them', () => {
		const view = { sort: 'rating', mode: 'columns', size: 3 } as const;
		const query = new URLSearchParams(writeQuery(FULL, view).toString());
		expect(readFilters(query)).toEqual(FULL);
		expect(readView(query)).toEqual(view);
	});

	it('say nothing where nothing is asked', () => {
		expect(writeQuery(NO_FILTERS, DEFAULT_VIEW).toString()).toBe('');
		expect(readFilters(new URLSearchParams())).toEqual(NO_FILTERS);
		expect(isFiltered(NO_FILTERS)).toBe(false);
		expect(isFiltered({ ...NO_FILTERS, rating: 1 })).toBe(true);
	});

	it('leave out what is not understood', () => {
		const query = new URLSearchParams(
			'kind=hologram&rating=9&from=yesterday&sort=luck&size=12&view=pie'
		);
		expect(readFilters(query)).toEqual(NO_FILTERS);
		expect(readView(query)).toEqual(DEFAULT_VIEW);
	});
});

describe('filters for the API', () => {
	it('include both days in whole', () => {
		const filter = toAssetFilter({ ...NO_FILTERS, from: '2026-10-31', to: '2026-10-31' });
		const hours =
			(Date.parse(filter.created_before!) - Date.parse(filter.created_after!)) / 3_600_000;
		expect(hours).toBeGreaterThanOrEqual(23);
		expect(hours).toBeLessThanOrEqual(25);
		expect(filter.is_favourite).toBeUndefined();
	});
});

describe('tokens in a search', () => {
	it('become filters, the words stay', () => {
		const filters = readTokens(
			'red model:v5.5 sky tag:"long exposure" rating:4 kind:video',
			NO_FILTERS
		);
		expect(filters).toEqual({
			...NO_FILTERS,
			q: 'red sky',
			model: 'v5.5',
			tags: ['long exposure'],
			rating: 4,
			kind: 'video'
		});
	});

	it('that make no sense stay words', () => {
		expect(readTokens('kind:cheese rating:11', NO_FILTERS).q).toBe('kind:cheese rating:11');
	});
});

describe('chips', () => {
	it('each take away one thing', () => {
		const names = {
			provider: () => 'Provider One',
			operation: (id: string) => id,
			workspace: () => 'Alpine'
		};
		const chips = chipsOf(FULL, names);
		expect(chips).toHaveLength(14);
		for (const chip of chips) {
			expect(chipsOf(chip.without, names)).toHaveLength(13);
		}
		expect(chips.find((chip) => chip.name === 'Provider')?.value).toBe('Provider One');
	});
});
