import { expect, it } from 'vitest';
import { nextPath } from './next-path.ts';

const from = (next: string | null) => {
	const url = new URL('https://studio.example/sign-in');
	if (next !== null) url.searchParams.set('next', next);
	return nextPath(url);
};

it('goes on only to paths of ours', () => {
	expect(from('/gallery?q=fog#top')).toBe('/gallery?q=fog#top');
	expect(from(null)).toBe('/create');
	for (const foreign of [
		'https://evil.example/',
		'//evil.example/',
		'/\\evil.example',
		'/.//evil.example',
		'javascript:alert(1)'
	])
		expect(from(foreign)).toBe('/create');
});
