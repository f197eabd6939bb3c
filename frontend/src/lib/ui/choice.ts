import type { Component } from 'svelte';

/** One of several things to choose from, in Select, Combobox, Segmented and Tabs. */
export type Choice<Value extends string = string> = {
	value: Value;
	label: string;
	hint?: string;
	icon?: Component;
	count?: number;
	/** Why it cannot be chosen now. */
	reason?: string | null;
};
