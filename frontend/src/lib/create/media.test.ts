import { describe, expect, it } from 'vitest';
import { mediaParams, operationFor, placeMedia, type Medium, type Operation } from './media.ts';

type Slot = [name: string, kind: string, min: number, max: number];

function operation(type: string, output: string, slots: Slot[]): Operation {
	return {
		operation_type: type,
		output,
		params_schema: { properties: { image: { title: 'Start' } } },
		inputs: slots.map(([name, kind, min_items, max_items]) => ({
			name,
			kinds: [kind],
			min_items,
			max_items,
			is_list: max_items > 1,
			is_required: min_items > 0
		}))
	} as unknown as Operation;
}

const TEXT = operation('text_to_video', 'video', []);
const IMAGE = operation('image_to_video', 'video', [
	['image', 'image', 1, 1],
	['last_image', 'image', 0, 1]
]);
const FUSION = operation('fusion', 'video', [['images', 'image', 1, 7]]);
const EXTEND = operation('video_extend', 'video', [['video', 'video', 1, 1]]);
const REPAINT = operation('image_to_image', 'image', [['image', 'image', 1, 1]]);
const ALL = [FUSION, TEXT, REPAINT, IMAGE, EXTEND];

let made = 0;
function medium(kind: Medium['kind'], slot: string | null = null): Medium {
	made += 1;
	return {
		key: `k${made}`,
		kind,
		value: `a${made}`,
		slot,
		name: '',
		progress: null,
		error: null
	};
}

describe('placeMedia', () => {
	it('fills slots in order, and those that were asked for first', () => {
		const [first, end] = [medium('image'), medium('image', 'last_image')];
		const { slots, left } = placeMedia(IMAGE, [end, first]);
		expect(slots.map(({ media }) => media)).toEqual([[first], [end]]);
		expect(slots[0]!.label).toBe('Start');
		expect(left).toEqual([]);
	});

	it('leaves over what has no place', () => {
		const film = medium('video');
		expect(placeMedia(IMAGE, [film]).left).toEqual([film]);
	});
});

describe('operationFor', () => {
	it('stays while the operation can take the media', () => {
		expect(operationFor(FUSION, ALL, [medium('image')])).toBe(FUSION);
	});

	it('follows a start frame to image to video, not to a picture', () => {
		expect(operationFor(TEXT, ALL, [medium('image')])).toBe(IMAGE);
	});

	it('follows a film to what goes on from it', () => {
		expect(operationFor(TEXT, ALL, [medium('video')])).toBe(EXTEND);
	});

	it('follows many pictures to what brings them together', () => {
		expect(operationFor(TEXT, ALL, [medium('image'), medium('image'), medium('image')])).toBe(
			FUSION
		);
	});

	it('goes back to words when the last medium is taken away', () => {
		expect(operationFor(IMAGE, ALL, [])).toBe(TEXT);
	});

	it('knows when nothing can take them', () => {
		expect(operationFor(TEXT, [TEXT, EXTEND], [medium('image')])).toBeNull();
	});
});

it('gives lists to list slots and leaves out what is still on its way', () => {
	const waiting = { ...medium('image'), value: null };
	const { slots } = placeMedia(FUSION, [{ ...medium('image'), value: 'x' }, waiting]);
	expect(mediaParams(slots)).toEqual({ images: ['x'] });
	expect(mediaParams(placeMedia(EXTEND, [{ ...medium('video'), value: 'y' }]).slots)).toEqual({
		video: 'y'
	});
});
