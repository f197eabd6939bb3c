import { session } from './session.svelte.ts';

const SAVE_AFTER_MS = 300;

/**
 * Work that survives reload, sign-out and a failed submit: kept in this browser, for each person
 * apart. `const draft = new Draft('create', EMPTY)`, then read and write `draft.value`.
 */
export class Draft<Value> {
	value = $state() as Value;

	#key: string;
	#initial: Value;

	constructor(name: string, initial: Value) {
		this.#key = `pixsim7:draft:${session.user?.id ?? 'nobody'}:${name}`;
		this.#initial = initial;
		this.value = this.#read() ?? structuredClone(initial);
		$effect(() => {
			const text = JSON.stringify(this.value);
			const timer = setTimeout(() => this.#write(text), SAVE_AFTER_MS);
			return () => {
				clearTimeout(timer);
				this.#write(text);
			};
		});
	}

	/** Back to the beginning. */
	clear() {
		this.value = structuredClone(this.#initial);
	}

	#read(): Value | null {
		try {
			const text = localStorage.getItem(this.#key);
			return text === null ? null : (JSON.parse(text) as Value);
		} catch {
			return null;
		}
	}

	#write(text: string) {
		try {
			localStorage.setItem(this.#key, text);
		} catch {
			// Storage is full or off: the draft lives as long as the page.
		}
	}
}
