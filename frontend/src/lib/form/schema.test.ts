import { describe, expect, it } from 'vitest';
import { defaults, fieldsOf, validate, valueLabel, type ParamsSchema } from './schema.ts';

const FILM: ParamsSchema = {
	properties: {
		seed: { type: 'integer', minimum: 0, maximum: 99, 'x-ui': { widget: 'seed', order: 50 } },
		prompt: {
			type: 'string',
			minLength: 1,
			maxLength: 10,
			'x-ui': { widget: 'prompt', order: 0 }
		},
		duration: {
			type: 'integer',
			minimum: 1,
			maximum: 15,
			default: 5,
			'x-ui': { order: 30, unit: 's' }
		},
		strength: { type: 'number', minimum: 0, maximum: 1, multipleOf: 0.1 },
		quality: { type: 'string', enum: ['540p', '720p'], default: '720p' },
		audio: { type: 'boolean', default: false },
		images: {
			type: 'array',
			items: { type: 'string' },
			minItems: 2,
			maxItems: 3,
			'x-ui': { widget: 'media' }
		}
	},
	required: ['prompt', 'images']
};

const DEPENDENT: ParamsSchema = {
	properties: { mode: { type: 'string', enum: ['plain', 'camera'], default: 'plain' } },
	oneOf: [
		{ properties: { mode: { const: 'plain' } } },
		{
			properties: {
				mode: { const: 'camera' },
				move: { type: 'string', enum: ['pan', 'zoom'], title: 'Camera move' }
			},
			required: ['move']
		}
	]
};

describe('fieldsOf', () => {
	it('follows the order that the server gives', () => {
		expect(fieldsOf(FILM).map(({ name }) => name)).toEqual([
			'prompt',
			'duration',
			'seed',
			'strength',
			'quality',
			'audio',
			'images'
		]);
	});

	it('finds a widget where none is named', () => {
		const widgets = Object.fromEntries(fieldsOf(FILM).map(({ name, widget }) => [name, widget]));
		expect(widgets).toMatchObject({ quality: 'segmented', audio: 'toggle', duration: 'slider' });
	});

	it('shows dependent fields only where they hold', () => {
		expect(fieldsOf(DEPENDENT, { mode: 'plain' }).map(({ name }) => name)).toEqual(['mode']);
		expect(fieldsOf(DEPENDENT, { mode: 'camera' }).map(({ name }) => name)).toEqual([
			'mode',
			'move'
		]);
	});
});

describe('defaults', () => {
	it('keeps what still fits and drops what does not', () => {
		const kept = { prompt: 'a fox', duration: 30, quality: '540p', audio: 'yes', style: 'neon' };
		expect(defaults(FILM, kept)).toEqual({
			prompt: 'a fox',
			duration: 5,
			quality: '540p',
			audio: false
		});
	});

	it('never throws own words away', () => {
		const prompt = 'a fox in deep snow';
		expect(defaults(FILM, { prompt }).prompt).toBe(prompt);
	});

	it('fills the fields that a kept value brings along', () => {
		expect(defaults(DEPENDENT, { mode: 'camera' })).toEqual({ mode: 'camera', move: 'pan' });
		expect(defaults(DEPENDENT, { mode: 'camera', move: 'zoom' }).move).toBe('zoom');
		expect(defaults(DEPENDENT, { mode: 'gone', move: 'zoom' })).toEqual({ mode: 'plain' });
	});
});

describe('validate', () => {
	it('passes what the server would take', () => {
		const values = { prompt: 'a fox', images: ['a', 'b'], duration: 5, strength: 0.3 };
		expect(validate(FILM, values)).toEqual({});
	});

	it('says in words what is missing', () => {
		expect(validate(FILM, {})).toEqual({
			prompt: 'Write what it should show.',
			images: 'Add at least 2.'
		});
		expect(validate(DEPENDENT, { mode: 'camera' })).toEqual({ move: 'This is needed.' });
	});

	it('says in words what does not fit', () => {
		const values = {
			prompt: 'a fox in the snow',
			images: ['a', 'b', 'c', 'd'],
			duration: 16,
			quality: '4k',
			strength: 0.25,
			seed: 1.5
		};
		expect(validate(FILM, values)).toEqual({
			prompt: '7 characters too many.',
			images: 'At most 3.',
			duration: 'At most 15 s.',
			quality: 'Choose 540p or 720p.',
			strength: 'In steps of 0.1.',
			seed: 'Write a whole number.'
		});
	});

	it('counts characters as the server does, not halves of them', () => {
		const values = { prompt: '🦊'.repeat(10), images: ['a', 'b'] };
		expect(validate(FILM, values)).toEqual({});
	});

	it('takes blanks for nothing where text is needed', () => {
		expect(validate(FILM, { prompt: '   ', images: ['a', 'b'] }).prompt).toBe(
			'Write something here.'
		);
	});
});

it('reads values as people do', () => {
	expect(valueLabel('zoom_in')).toBe('Zoom in');
	expect(valueLabel('720p')).toBe('720p');
	expect(valueLabel('v5.5')).toBe('v5.5');
	expect(valueLabel(5, 's')).toBe('5 s');
	expect(valueLabel(true)).toBe('On');
});
