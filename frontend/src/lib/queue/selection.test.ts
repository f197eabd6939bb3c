import { describe, expect, it } from 'vitest';
import { RowSelection } from './selection.svelte.ts';

const ORDER = ['a', 'b', 'c', 'd', 'e'];

describe('RowSelection', () => {
	it('takes exactly the range between the last chosen row and this one', () => {
		const selection = new RowSelection();
		selection.toggle('d');
		selection.extendTo('b', ORDER);
		expect([...selection.ids].sort()).toEqual(['b', 'c', 'd']);
	});

	it('chooses one row where there is nothing to extend from', () => {
		const selection = new RowSelection();
		selection.toggle('gone');
		selection.toggle('gone');
		selection.extendTo('b', ORDER);
		expect([...selection.ids]).toEqual(['b']);
	});

	it('forgets rows that are gone, and all at once', () => {
		const selection = new RowSelection();
		selection.toggle('a');
		selection.toggle('b');
		selection.keep((id) => id === 'b');
		expect([...selection.ids]).toEqual(['b']);
		selection.chooseAll();
		expect(selection.has('never seen')).toBe(true);
		selection.clear();
		expect(selection.isActive).toBe(false);
	});
});
