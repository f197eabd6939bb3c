import { describe, expect, it } from 'vitest';
import { Selection } from './selection.svelte.ts';

describe('a selection', () => {
	it('is of ids until everything is selected', () => {
		const selection = new Selection('snapshot', 100_000);
		selection.toggle('a', 0);
		selection.toggle('b', 1);
		selection.toggle('a', 0);
		expect(selection.count).toBe(1);
		expect(selection.selected).toEqual({ ids: ['b'] });
	});

	it('of everything is a rule with exceptions', () => {
		const selection = new Selection('snapshot', 100_000);
		selection.toggle('a', 0);
		selection.selectEverything();
		expect(selection.count).toBe(100_000);
		expect(selection.has('never seen')).toBe(true);
		selection.toggle('b', 1);
		expect(selection.has('b')).toBe(false);
		expect(selection.count).toBe(99_999);
		expect(selection.selected).toEqual({ snapshot: 'snapshot', except: ['b'] });
		selection.clear();
		expect(selection.active).toBe(false);
		expect(selection.selected).toEqual({ ids: [] });
	});

	it('takes ranges between places of one snapshot, whichever way round', () => {
		const selection = new Selection('snapshot', 100);
		expect(selection.rangeTo(5)).toEqual({ start: 5, end: 6 });
		selection.toggle('x', 20);
		expect(selection.rangeTo(24)).toEqual({ start: 20, end: 25 });
		expect(selection.rangeTo(11)).toEqual({ start: 11, end: 21 });
		selection.setAll(['p', 'q']);
		expect(selection.count).toBe(3);
	});
});
