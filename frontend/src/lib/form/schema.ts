/** The forms' side of the API: reads an operation's `params_schema`, fills it and checks it.
 * The server checks again; these messages only come sooner. */

export type Widget =
	| 'prompt'
	| 'textarea'
	| 'aspect'
	| 'segmented'
	| 'select'
	| 'slider'
	| 'seed'
	| 'media'
	| 'toggle'
	| 'size';

export type Hints = {
	widget?: Widget;
	/** Shown in the prompt bar. */
	quick?: boolean;
	/** Shown under "More settings". */
	advanced?: boolean;
	unit?: string;
	order?: number;
	help?: string;
	kinds?: string[];
};

/** The part of JSON Schema that the server uses for parameters. */
export type FieldSchema = {
	type?: 'string' | 'integer' | 'number' | 'boolean' | 'array';
	title?: string;
	description?: string;
	default?: unknown;
	const?: unknown;
	enum?: unknown[];
	minimum?: number;
	maximum?: number;
	multipleOf?: number;
	minLength?: number;
	maxLength?: number;
	minItems?: number;
	maxItems?: number;
	items?: FieldSchema;
	'x-ui'?: Hints;
};

export type ParamsSchema = {
	properties?: Record<string, FieldSchema>;
	required?: string[];
	/** Dependent fields: the branch whose constants fit adds its own. One level. */
	oneOf?: { properties: Record<string, FieldSchema>; required?: string[] }[];
};

export type Values = Record<string, unknown>;
export type Errors = Record<string, string>;

export type FormField = {
	name: string;
	schema: FieldSchema;
	hints: Hints;
	widget: Widget;
	label: string;
	help: string | undefined;
	isRequired: boolean;
};

/** Values beyond this many are chosen from a list, not from a row of buttons. */
const SEGMENTS = 4;

/** The fields that hold for these values, in their order. */
export function fieldsOf(schema: ParamsSchema, values: Values = {}): FormField[] {
	const branch = schema.oneOf?.find(({ properties }) =>
		Object.entries(properties).every(
			([name, { const: fixed }]) => fixed === undefined || values[name] === fixed
		)
	);
	const dependent = Object.entries(branch?.properties ?? {}).filter(
		([, { const: fixed }]) => fixed === undefined
	);
	const required = [...(schema.required ?? []), ...(branch?.required ?? [])];
	return [...Object.entries(schema.properties ?? {}), ...dependent]
		.map(([name, field]) => toField(name, field, required.includes(name)))
		.sort((a, b) => (a.hints.order ?? 50) - (b.hints.order ?? 50));
}

function toField(name: string, schema: FieldSchema, isRequired: boolean): FormField {
	const hints = schema['x-ui'] ?? {};
	const widget = hints.widget ?? widgetOf(schema);
	return {
		name,
		schema,
		hints,
		widget,
		label: schema.title ?? capital(name.replaceAll('_', ' ')),
		// What a name like "Duration" says by itself needs no second line.
		help: hints.help ?? (hints.advanced || widget === 'toggle' ? schema.description : undefined),
		isRequired
	};
}

function widgetOf(schema: FieldSchema): Widget {
	if (schema.enum) return schema.enum.length <= SEGMENTS ? 'segmented' : 'select';
	if (schema.type === 'boolean') return 'toggle';
	if (schema.type === 'integer' || schema.type === 'number') {
		return schema.minimum !== undefined && schema.maximum !== undefined ? 'slider' : 'size';
	}
	return 'textarea';
}

/** The schema's own values, with every kept one that still fits in their place. */
export function defaults(schema: ParamsSchema, keep: Values = {}): Values {
	let values = fill(fieldsOf(schema, keep), keep);
	// A kept value may not fit any more, and its default may bring other fields.
	if (schema.oneOf) values = fill(fieldsOf(schema, values), keep);
	return values;
}

function fill(fields: FormField[], keep: Values): Values {
	const values: Values = {};
	for (const field of fields) {
		const kept = keep[field.name];
		const value = fits(field, kept) ? kept : initial(field);
		if (value !== undefined) values[field.name] = value;
	}
	return values;
}

/** Own words always do: too long or not, they are never thrown away. */
function fits(field: FormField, kept: unknown): boolean {
	if (kept === undefined) return false;
	const isOwnWords = field.widget === 'prompt' || field.widget === 'textarea';
	if (isOwnWords && field.schema.type === 'string') return typeof kept === 'string';
	if (isOwnWords && field.schema.type === 'array') return Array.isArray(kept);
	return problemOf(field, kept) === null;
}

function initial({ schema, isRequired }: FormField): unknown {
	if (schema.const !== undefined) return schema.const;
	if (schema.default != null) return schema.default;
	return isRequired && schema.enum ? schema.enum[0] : undefined;
}

/** What is wrong with the values, in words, by field; empty when they may be sent. */
export function validate(schema: ParamsSchema, values: Values): Errors {
	const errors: Errors = {};
	for (const field of fieldsOf(schema, values)) {
		const value = values[field.name];
		const problem = isAbsent(value) ? missing(field) : problemOf(field, value);
		if (problem) errors[field.name] = problem;
	}
	return errors;
}

function isAbsent(value: unknown): boolean {
	return value === undefined || value === null || value === '';
}

function missing({ isRequired, widget, schema }: FormField): string | null {
	if (!isRequired) return null;
	if (widget === 'prompt') return 'Write what it should show.';
	if (widget !== 'media') return 'This is needed.';
	return schema.type === 'array' ? tooFew(schema.minItems ?? 1) : 'Add a file here.';
}

/** What is wrong with a value that is there, or null. */
function problemOf(field: FormField, value: unknown): string | null {
	const { schema } = field;
	if (schema.const !== undefined && value !== schema.const) return 'This value is fixed.';
	if (schema.enum && !schema.enum.includes(value)) return `Choose ${listed(schema.enum)}.`;
	switch (schema.type) {
		case 'string':
			return textProblem(schema, value);
		case 'integer':
		case 'number':
			return numberProblem(field, value);
		case 'boolean':
			return typeof value === 'boolean' ? null : 'Choose on or off.';
		case 'array':
			return listProblem(field, value);
	}
	return null;
}

function textProblem({ minLength = 0, maxLength = Infinity }: FieldSchema, value: unknown) {
	if (typeof value !== 'string') return 'Write text here.';
	// As the server counts: whole characters.
	const length = [...value].length;
	if (value.trim() === '' && minLength > 0) return 'Write something here.';
	if (length < minLength) return `At least ${minLength} characters.`;
	if (length > maxLength) return `${length - maxLength} characters too many.`;
	return null;
}

function numberProblem({ schema, hints }: FormField, value: unknown) {
	const { minimum, maximum, multipleOf } = schema;
	const unit = hints.unit ? ` ${hints.unit}` : '';
	if (typeof value !== 'number' || !Number.isFinite(value)) return 'Write a number.';
	if (schema.type === 'integer' && !Number.isInteger(value)) return 'Write a whole number.';
	if (minimum !== undefined && value < minimum) return `At least ${minimum}${unit}.`;
	if (maximum !== undefined && value > maximum) return `At most ${maximum}${unit}.`;
	if (multipleOf !== undefined && !isWhole(value / multipleOf))
		return `In steps of ${multipleOf}${unit}.`;
	return null;
}

function isWhole(value: number): boolean {
	return Math.abs(value - Math.round(value)) < 1e-9;
}

function listProblem(field: FormField, value: unknown): string | null {
	const { minItems = 0, maxItems = Infinity, items } = field.schema;
	if (!Array.isArray(value)) return 'Give a list.';
	if (value.length < minItems) return tooFew(minItems);
	if (value.length > maxItems) return `At most ${maxItems}.`;
	if (!items) return null;
	const inner = { ...field, schema: items };
	for (const item of value) {
		const problem = problemOf(inner, item);
		if (problem) return problem;
	}
	return null;
}

function tooFew(minItems: number): string {
	return minItems === 1 ? 'Add at least one.' : `Add at least ${minItems}.`;
}

/** One of a field's values, as people read it: "Zoom in", "5 s", "720p". */
export function valueLabel(value: unknown, unit?: string): string {
	if (typeof value === 'boolean') return value ? 'On' : 'Off';
	if (typeof value === 'number') return unit ? `${value} ${unit}` : String(value);
	const text = String(value).replaceAll('_', ' ');
	// Names of models and sizes are written as they are: "v5.5", "720p".
	return /\d/.test(text) ? text : capital(text);
}

function listed(values: unknown[]): string {
	const words = values.map((value) => valueLabel(value));
	return words.length > 1 ? `${words.slice(0, -1).join(', ')} or ${words.at(-1)}` : `${words[0]}`;
}

function capital(text: string): string {
	return text.charAt(0).toUpperCase() + text.slice(1);
}
