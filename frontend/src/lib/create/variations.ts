/** What varies between the jobs of one run. */
import type { Schema } from '#lib/api/client.ts';

export type JobRequest = Schema<'JobRequest'>;

export type Variation =
	/** Every job has a seed of its own. */
	| { kind: 'seeds' }
	/** Seeds that count up from this one. */
	| { kind: 'range'; seed: number }
	/** One prompt a line. */
	| { kind: 'prompts'; prompts: string }
	/** One job for each chosen value of a field. */
	| { kind: 'grid'; field: string; values: unknown[] };

export const VARIATION_NAMES: Record<Variation['kind'], string> = {
	seeds: 'New seed each',
	range: 'Seeds that count up',
	prompts: 'List of prompts',
	grid: 'Values of a setting'
};

/** The lines that are prompts. */
export function promptLines(prompts: string): string[] {
	return prompts
		.split('\n')
		.map((line) => line.trim())
		.filter(Boolean);
}

/** The requests of a run, each made `count` times. */
export function variants(base: JobRequest, count: number, variation: Variation): JobRequest[] {
	const withParams = (params: Record<string, unknown>): JobRequest => ({
		...base,
		count,
		params: { ...base.params, ...params }
	});
	switch (variation.kind) {
		case 'seeds':
			return [withParams({})];
		case 'range':
			return [withParams({ seed: variation.seed })];
		case 'prompts':
			return promptLines(variation.prompts).map((prompt) => withParams({ prompt }));
		case 'grid':
			return variation.values.map((value) => withParams({ [variation.field]: value }));
	}
}

/** How many jobs that makes. */
export function jobCount(requests: readonly JobRequest[]): number {
	return requests.reduce((total, { count = 1 }) => total + count, 0);
}
