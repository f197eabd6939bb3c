/** Media that a job is given: where each goes, and which operation can take them. */
import type { Schema } from '#lib/api/client.ts';

export type Operation = Schema<'OperationRead'>;
export type InputSlot = Schema<'InputSlot'>;
export type MediaKind = Schema<'MediaType'>;

/** One medium in the prompt bar. */
export type Medium = {
	/** Its own, while it is here: the same asset may be given twice. */
	key: string;
	kind: MediaKind;
	/** An asset's id or an https address; null while it is being uploaded. */
	value: string | null;
	/** Where it is wanted; it goes elsewhere when there is no such slot. */
	slot: string | null;
	name: string;
	/** 0 to 1 while it is uploaded. */
	progress: number | null;
	error: string | null;
};

export type PlacedSlot = InputSlot & {
	label: string;
	media: Medium[];
	/** How many more it takes. */
	room: number;
};

/** Puts media into an operation's slots: first where they are wanted, then where there is room. */
export function placeMedia(
	operation: Operation,
	media: readonly Medium[]
): { slots: PlacedSlot[]; left: Medium[] } {
	const { properties = {} } = operation.params_schema as {
		properties?: Record<string, { title?: string }>;
	};
	const slots: PlacedSlot[] = operation.inputs.map((slot) => ({
		...slot,
		label: properties[slot.name]?.title ?? slot.name,
		media: [],
		room: slot.is_list ? slot.max_items : 1
	}));
	const take = (slot: PlacedSlot | undefined, medium: Medium): boolean => {
		if (!slot || slot.room === 0 || !slot.kinds.includes(medium.kind)) return false;
		slot.media.push(medium);
		slot.room -= 1;
		return true;
	};
	const homeless = media.filter(
		(medium) =>
			!take(
				slots.find(({ name }) => name === medium.slot),
				medium
			)
	);
	const left = homeless.filter((medium) => !slots.some((slot) => take(slot, medium)));
	return { slots, left };
}

/** Whether all of the media have a place, and all that is needed is there. */
export function takesMedia(operation: Operation, media: readonly Medium[]): boolean {
	const { slots, left } = placeMedia(operation, media);
	return left.length === 0 && slots.every((slot) => slot.media.length >= slot.min_items);
}

/**
 * The operation for the media that there are now: the current one if it can, else the nearest among
 * `operations` that takes all of them (the same kind of result first, then the fewest slots).
 * Null when none can.
 */
export function operationFor(
	current: Operation,
	operations: readonly Operation[],
	media: readonly Medium[]
): Operation | null {
	if (takesMedia(current, media)) return current;
	const able = operations.filter((operation) => takesMedia(operation, media));
	const rank = (operation: Operation) =>
		(operation.output === current.output ? 0 : 100) +
		operation.inputs.reduce((total, slot) => total + slot.max_items, 0);
	return able.sort((a, b) => rank(a) - rank(b))[0] ?? null;
}

/** The kinds that any of these slots takes. */
export function kindsOf(slots: readonly InputSlot[]): MediaKind[] {
	return [...new Set(slots.flatMap(({ kinds }) => kinds))];
}

/** The media as parameters: an id or address for each slot, a list where the slot is one. */
export function mediaParams(slots: readonly PlacedSlot[]): Record<string, string | string[]> {
	const params: Record<string, string | string[]> = {};
	for (const { name, is_list, media } of slots) {
		const values = media.flatMap(({ value }) => value ?? []);
		if (values.length > 0) params[name] = is_list ? values : values[0]!;
	}
	return params;
}

/** Whether a medium is one of the library, not an address elsewhere. */
export function isAsset(value: string): boolean {
	return !value.includes(':');
}

/** A small picture of an asset: by the session's own credential, so the address never runs out. */
export function thumbnailOf(value: string): string | null {
	return isAsset(value) ? `/api/v1/assets/${value}/thumbnail?size=240` : null;
}
