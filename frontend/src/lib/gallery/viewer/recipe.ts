/** A recipe as rows that people read. */

interface Schema {
	properties?: Record<
		string,
		{ title?: string; 'x-ui'?: { unit?: string; order?: number } } | undefined
	>;
}

export interface Row {
	key: string;
	label: string;
	value: string;
}

function worded(key: string): string {
	const words = key.replaceAll('_', ' ');
	return words.charAt(0).toUpperCase() + words.slice(1);
}

function shown(value: unknown): string {
	if (typeof value === 'boolean') return value ? 'Yes' : 'No';
	if (Array.isArray(value)) return value.map(shown).join(', ');
	return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The parameters with their titles, in the order of the form; without the prompt and the media. */
export function rowsOf(
	params: Record<string, unknown>,
	schema: unknown,
	slots: readonly string[]
): Row[] {
	const { properties = {} } = (schema ?? {}) as Schema;
	const orderOf = (key: string) => properties[key]?.['x-ui']?.order ?? Number.MAX_SAFE_INTEGER;
	return Object.entries(params)
		.filter(
			([key, value]) => value !== null && value !== '' && key !== 'prompt' && !slots.includes(key)
		)
		.sort(([one], [other]) => orderOf(one) - orderOf(other))
		.map(([key, value]) => {
			const unit = properties[key]?.['x-ui']?.unit;
			const text = shown(value);
			return {
				key,
				label: properties[key]?.title ?? worded(key),
				value: unit ? `${text} ${unit}` : text
			};
		});
}
