import { flushSync } from 'svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '#lib/api/client.ts';
import { Composer } from './composer.svelte.ts';
import type { Operation } from './media.ts';

const DURATION = { type: 'integer', minimum: 1, maximum: 15, default: 5 };
const PROMPT = { type: 'string', minLength: 1, 'x-ui': { widget: 'prompt' } };
const IMAGE = { type: 'string', 'x-ui': { widget: 'media' } };

function operation(type: string, provider: string, models: string[], more: object): Operation {
	const { inputs = [], properties = {} } = more as {
		inputs?: object[];
		properties?: Record<string, object>;
	};
	return {
		provider_id: provider,
		operation_type: type,
		output: 'video',
		title: type,
		availability: { state: 'free' },
		models: models.map((id) => ({ id, name: id, note: '', operations: [] })),
		inputs,
		params_schema: {
			properties: {
				prompt: PROMPT,
				model: { type: 'string', enum: models, default: models[0] },
				...properties
			},
			required: ['prompt', ...inputs.map((slot) => (slot as { name: string }).name)]
		}
	} as unknown as Operation;
}

const SLOT = {
	name: 'image',
	kinds: ['image'],
	is_list: false,
	is_required: true,
	min_items: 1,
	max_items: 1
};
const TEXT = operation('text_to_video', 'a', ['a1', 'a2'], { properties: { duration: DURATION } });
const MOVE = operation('image_to_video', 'a', ['a1'], {
	inputs: [SLOT],
	properties: { duration: DURATION, image: IMAGE }
});
const SHORT = operation('text_to_video', 'b', ['b1'], {
	properties: { duration: { ...DURATION, maximum: 8 } }
});

function compose(check: (composer: Composer) => void) {
	const stop = $effect.root(() => {
		const composer = new Composer();
		composer.operations = [TEXT, MOVE, SHORT];
		check(composer);
	});
	stop();
}

const picture = {
	kind: 'image' as const,
	value: 'asset-1',
	slot: null,
	name: '',
	progress: null,
	error: null
};

beforeEach(() => localStorage.clear());

describe('settings', () => {
	it('come back with the model that has them', () =>
		compose((composer) => {
			composer.words = 'a fox';
			composer.set('duration', 12);
			composer.chooseModel(composer.models.find(({ id }) => id === 'b1')!);
			expect(composer.values).toMatchObject({ prompt: 'a fox', duration: 5, model: 'b1' });
			composer.chooseModel(composer.models.find(({ id }) => id === 'a2')!);
			expect(composer.values).toMatchObject({ prompt: 'a fox', duration: 12, model: 'a2' });
		}));

	it('are taken back one by one, the words stay', () =>
		compose((composer) => {
			composer.set('duration', 9);
			composer.words = 'a fox';
			composer.undo();
			expect(composer.values).toMatchObject({ prompt: 'a fox', duration: 5 });
		}));
});

describe('media', () => {
	it('bring their operation and take it away again', () =>
		compose((composer) => {
			const key = composer.addMedium(picture)!;
			expect(composer.operation).toBe(MOVE);
			expect(composer.params.image).toBe('asset-1');
			composer.removeMedium(key);
			expect(composer.operation).toBe(TEXT);
		}));

	it('go to another model when this one has no place for them', () =>
		compose((composer) => {
			composer.chooseModel(composer.models.find(({ id }) => id === 'a2')!);
			composer.addMedium(picture);
			expect([composer.operation, composer.values.model]).toEqual([MOVE, 'a1']);
		}));

	it('are refused where nothing takes them', () =>
		compose((composer) => {
			expect(composer.addMedium({ ...picture, kind: 'audio' })).toBeNull();
			expect(composer.media).toEqual([]);
		}));
});

it('starts from a recipe with its media, and without a seed that it does not have', () =>
	compose((composer) => {
		composer.set('seed', 7);
		const params = { prompt: 'a hill', duration: 8, image: 'asset-2', model: 'a1' };
		expect(composer.load({ provider_id: 'a', operation_type: 'image_to_video', params })).toBe(
			true
		);
		expect(composer.params).toEqual(params);
		const gone = { provider_id: 'gone', operation_type: 'text_to_video' as const, params };
		expect(composer.load(gone)).toBe(false);
	}));

it('survives being left: the next page has the same draft', () => {
	compose((composer) => {
		composer.words = 'kept';
		composer.count = 3;
		flushSync();
	});
	compose((composer) => expect([composer.words, composer.count]).toEqual(['kept', 3]));
});

it('points out what is missing after a try, and what the server refused', () =>
	compose((composer) => {
		expect(composer.errors).toEqual({});
		expect(composer.check()).toBe('prompt');
		expect(composer.errors.prompt).toBe('Write what it should show.');
		composer.words = 'a fox';
		const error = new ApiError({
			status: 422,
			fields: [{ field: 'jobs.0.params.duration', message: 'Too long.', allowed: null }]
		});
		expect(composer.refuse(error)).toBe('duration');
		expect(composer.errors).toEqual({ duration: 'Too long.' });
		composer.set('duration', 5);
		expect(composer.errors).toEqual({});
	}));
