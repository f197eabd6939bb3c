import { expect, it } from 'vitest';
import { jobCount, variants, type JobRequest } from './variations.ts';

const BASE: JobRequest = {
	provider_id: 'p',
	operation_type: 'text_to_video',
	params: { prompt: 'a fox', quality: '720p' }
};

it('leaves the seeds to the server when each job has its own', () => {
	expect(variants(BASE, 4, { kind: 'seeds' })).toEqual([{ ...BASE, count: 4 }]);
});

it('counts up from a seed', () => {
	expect(variants(BASE, 3, { kind: 'range', seed: 7 })[0]!.params).toMatchObject({ seed: 7 });
});

it('makes one request for each prompt, without blank lines', () => {
	const requests = variants(BASE, 2, { kind: 'prompts', prompts: 'one\n\n  two  \n' });
	expect(requests.map(({ params }) => params.prompt)).toEqual(['one', 'two']);
	expect(jobCount(requests)).toBe(4);
});

it('makes one request for each value of a field', () => {
	const requests = variants(BASE, 1, { kind: 'grid', field: 'quality', values: ['540p', '720p'] });
	expect(requests.map(({ params }) => params)).toEqual([
		{ prompt: 'a fox', quality: '540p' },
		{ prompt: 'a fox', quality: '720p' }
	]);
});
