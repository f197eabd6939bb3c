import type { FormField } from '../schema.ts';

/** What every widget takes: its field, the value, and where a change goes. */
export type WidgetProps = {
	field: FormField;
	value: unknown;
	onchange: (value: unknown) => void;
	/** Of the Field around it: ties label, help and error to the control. */
	control: { id: string; 'aria-describedby'?: string; 'aria-invalid'?: true };
};
