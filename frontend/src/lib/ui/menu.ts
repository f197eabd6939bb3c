import type { Component } from 'svelte';

export type MenuAction = {
	label: string;
	icon?: Component;
	/** Its key, shown at the end of the row. */
	keys?: string;
	/** A second, quieter line. */
	hint?: string;
	href?: string;
	onselect?: () => void;
	isDanger?: boolean;
	/** Set for entries that are on or off. */
	checked?: boolean;
	/** Why it cannot be chosen now. */
	reason?: string | null;
};

/** Entries of a menu, in order; a heading groups what follows it. */
export type MenuEntry = MenuAction | 'separator' | { heading: string };

export function isAction(entry: MenuEntry): entry is MenuAction {
	return typeof entry === 'object' && 'label' in entry;
}

/** Keys for `each`: entries have no ids of their own. */
export function entryKey(entry: MenuEntry, index: number): string {
	if (entry === 'separator') return `separator-${index}`;
	return isAction(entry) ? entry.label : entry.heading;
}
