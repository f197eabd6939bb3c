/** The one registry of keys: pages add theirs while they are shown, `?` lists them. */
import { appearance } from './theme.svelte.ts';

export type KeyBinding = {
	/** `c`, `Shift+r`, `Mod+k` (Ctrl, or Cmd on a Mac), `Escape`, `Alt+1`, or a sequence: `g c`. */
	keys: string;
	/** What it does, for the list: "Run again". */
	label: string;
	/** Where it holds, for the list: "Everywhere", "Create", "Grid". */
	group: string;
	run: (event: KeyboardEvent) => void;
	/** Off while this is false. */
	when?: () => boolean;
	/** Also inside text fields; for keys with Mod and for Escape. */
	inFields?: boolean;
	/** Holds only while the focus is inside this element: for a viewer's or a dialog's own keys. */
	within?: () => Element | null | undefined;
	/** Not in the `?` list nor in the palette: a second way to the same thing. */
	isHidden?: boolean;
};

const SEQUENCE_MS = 1200;
const IS_MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const NAMES: Record<string, string> = {
	Mod: IS_MAC ? '⌘' : 'Ctrl',
	Alt: IS_MAC ? '⌥' : 'Alt',
	Escape: 'Esc',
	ArrowLeft: '←',
	ArrowRight: '→',
	ArrowUp: '↑',
	ArrowDown: '↓',
	Delete: 'Del',
	' ': 'Space'
};

/** How a combination reads on this machine: `Mod+k` is Ctrl K, or ⌘ K. */
export function keyNames(keys: string): string[] {
	return keys
		.split(/[ +](?=.)/)
		.map((name) => NAMES[name] ?? (name.length === 1 ? name.toUpperCase() : name));
}

/** The event in the registry's writing. Shift counts for letters only: `?` is `?`. */
export function comboOf(event: KeyboardEvent): string {
	const isLetter = /^[a-z]$/i.test(event.key);
	const key = isLetter ? event.key.toLowerCase() : event.key === ' ' ? 'Space' : event.key;
	const parts: string[] = [];
	if (event.ctrlKey || event.metaKey) parts.push('Mod');
	if (event.altKey) parts.push('Alt');
	if (event.shiftKey && (isLetter || event.key.length > 1)) parts.push('Shift');
	return [...parts, key].join('+');
}

function isField(target: EventTarget | null): boolean {
	if (!(target instanceof HTMLElement)) return false;
	if (target.isContentEditable || target.matches('textarea, select')) return true;
	return target.matches(
		'input:not([type=checkbox], [type=radio], [type=button], [type=submit], [type=range])'
	);
}

/** Enter and Space belong to the control that has the focus. */
function isTakenByControl(combo: string, target: EventTarget | null): boolean {
	if (combo !== 'Enter' && combo !== 'Space') return false;
	return target instanceof Element && target.closest('button, a, summary, [role=button]') !== null;
}

function isInLayer(target: EventTarget | null): boolean {
	return (
		target instanceof Element &&
		target.closest('[role=dialog], [role=alertdialog], [role=menu], [role=listbox]') !== null
	);
}

/** Whether it is a single character without modifiers, or a sequence of such. */
function isLetterKey(keys: string): boolean {
	return keys.split(' ').every((key) => key.length === 1);
}

export class KeyRegistry {
	#bindings: KeyBinding[] = [];
	#first: { combo: string; at: number } | null = null;

	/** Adds bindings; gives the way to take them out again. The last added goes first. */
	add(bindings: KeyBinding[]): () => void {
		this.#bindings.push(...bindings);
		return () => {
			this.#bindings = this.#bindings.filter((binding) => !bindings.includes(binding));
		};
	}

	/** What holds now, in order of adding, without what cannot be used at the moment. */
	list(): KeyBinding[] {
		return this.#bindings.filter((binding) => !binding.isHidden && (binding.when?.() ?? true));
	}

	handle(event: KeyboardEvent) {
		if (event.defaultPrevented || event.isComposing) return;
		const combo = comboOf(event);
		const binding =
			this.#find(this.#sequence(combo, event.timeStamp), event) ?? this.#find(combo, event);
		if (binding) {
			this.#first = null;
			event.preventDefault();
			binding.run(event);
		} else if (combo.length === 1 && !isField(event.target)) {
			this.#first = { combo, at: event.timeStamp };
		}
	}

	#sequence(combo: string, at: number): string | null {
		if (!this.#first || at - this.#first.at > SEQUENCE_MS) return null;
		return `${this.#first.combo} ${combo}`;
	}

	#find(keys: string | null, event: KeyboardEvent): KeyBinding | undefined {
		if (keys === null || isTakenByControl(keys, event.target)) return undefined;
		return this.#bindings.findLast(
			(binding) => binding.keys === keys && this.#holds(binding, event)
		);
	}

	#holds(binding: KeyBinding, event: KeyboardEvent): boolean {
		if (isLetterKey(binding.keys) && !appearance.hasLetterKeys) return false;
		if (isField(event.target) && !binding.inFields) return false;
		if (binding.within) {
			if (!binding.within()?.contains(event.target as Node)) return false;
		} else if (isInLayer(event.target)) {
			return false;
		}
		return binding.when?.() ?? true;
	}
}

export const keys = new KeyRegistry();
