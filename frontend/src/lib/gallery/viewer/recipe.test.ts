import { describe, expect, it } from 'vitest';
import { rowsOf } from './recipe.ts';

const SCHEMA = {
	properties: {
		duration: { title: 'Length', 'x-ui': { unit: 's', order: 2 } },
		aspect_ratio: { title: 'Aspect', 'x-ui': { order: 1 } },
		image: { title: 'Start frame' }
	}
};

describe('a recipe', () => {
	it('has titles and units in the order of the form, without prompt and media', () => {
		const params = {
			prompt: 'hills',
			duration: 5,
			image: 'id',
			aspect_ratio: '16:9',
			seed: 7,
			style: null
		};
		expect(rowsOf(params, SCHEMA, ['image'])).toEqual([
			{ key: 'aspect_ratio', label: 'Aspect', value: '16:9' },
			{ key: 'duration', label: 'Length', value: '5 s' },
			{ key: 'seed', label: 'Seed', value: '7' }
		]);
	});

	it('is readable where the model is not known any more', () => {
		expect(rowsOf({ camera_movement: true, tones: ['a', 'b'] }, undefined, [])).toEqual([
			{ key: 'camera_movement', label: 'Camera movement', value: 'Yes' },
			{ key: 'tones', label: 'Tones', value: 'a, b' }
		]);
	});
});
