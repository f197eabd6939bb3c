import type { Choice } from '#lib/ui/choice.ts';
import { valueLabel, type FormField } from '../schema.ts';

/** Stands for a value that is left out; lists of choices know no empty value. */
const NONE = '(none)';

/** A field's values as choices; "None" goes first where the field may be left out. */
export function choicesOf({ schema, hints, isRequired }: FormField): Choice[] {
	const choices = (schema.enum ?? []).map((value) => ({
		value: String(value),
		label: valueLabel(value, hints.unit)
	}));
	const mayBeAbsent = !isRequired && schema.default == null;
	return mayBeAbsent ? [{ value: NONE, label: 'None' }, ...choices] : choices;
}

/** The value behind a choice; undefined for none. */
export function valueOf({ schema }: FormField, chosen: string): unknown {
	return schema.enum?.find((value) => String(value) === chosen);
}

/** The choice that stands for a value. */
export function chosenOf(value: unknown): string {
	return value === undefined ? NONE : String(value);
}
