import { describe, expect, it } from 'vitest';
import { queryOf, scopeOf } from './scope.ts';

const read = (search: string, isAdmin = false) => scopeOf(new URLSearchParams(search), isAdmin);

describe('the scope in the URL', () => {
	it('survives there and back', () => {
		for (const search of [
			'',
			'?state=failed&q=neon+rain',
			'?attention=1',
			'?user=all',
			'?workspace=w1&user=u1'
		])
			expect(queryOf(read(search, true))).toBe(search);
	});

	it('takes unknown words for none, and shows others’ jobs to administrators only', () => {
		expect(read('?state=everything').state).toBe('active');
		expect(read('?user=all').allUsers).toBe(false);
	});
});
