import { MediaQuery } from 'svelte/reactivity';

export type Theme = 'system' | 'dark' | 'light';

const light = new MediaQuery('(prefers-color-scheme: light)');
const still = new MediaQuery('(prefers-reduced-motion: reduce)');

function read(name: string): string | null {
	try {
		return localStorage.getItem(name);
	} catch {
		return null;
	}
}

function write(name: string, value: string) {
	try {
		localStorage.setItem(name, value);
	} catch {
		// Storage is off: the choice holds until the page is left.
	}
}

/** How the app looks and behaves in this browser. Kept here, not on the server. */
class Appearance {
	#theme = $state<Theme>((read('theme') as Theme | null) ?? 'system');
	#isStill = $state(read('motion') === 'reduced');
	#isDense = $state(read('density') === 'dense');
	#playsOnHover = $state(read('hover-playback') !== 'off');
	#hasSound = $state(read('sound') === 'on');
	#hasLetterKeys = $state(read('letter-keys') !== 'off');

	get theme(): Theme {
		return this.#theme;
	}
	set theme(theme: Theme) {
		this.#theme = theme;
		write('theme', theme);
	}

	get resolvedTheme(): 'dark' | 'light' {
		if (this.#theme !== 'system') return this.#theme;
		return light.current ? 'light' : 'dark';
	}

	/** What the person chose; see `isStill` for what holds. */
	get reducesMotion(): boolean {
		return this.#isStill;
	}
	set reducesMotion(isStill: boolean) {
		this.#isStill = isStill;
		write('motion', isStill ? 'reduced' : 'full');
	}

	/** No sheen, no playback on hover, no transitions: chosen here or in the system. */
	get isStill(): boolean {
		return this.#isStill || still.current;
	}

	get isDense(): boolean {
		return this.#isDense;
	}
	set isDense(isDense: boolean) {
		this.#isDense = isDense;
		write('density', isDense ? 'dense' : 'normal');
	}

	get playsOnHover(): boolean {
		return this.#playsOnHover && !this.isStill;
	}
	set playsOnHover(plays: boolean) {
		this.#playsOnHover = plays;
		write('hover-playback', plays ? 'on' : 'off');
	}

	get hasSound(): boolean {
		return this.#hasSound;
	}
	set hasSound(hasSound: boolean) {
		this.#hasSound = hasSound;
		write('sound', hasSound ? 'on' : 'off');
	}

	/** Whether single letters are keys (WCAG 2.1.4). */
	get hasLetterKeys(): boolean {
		return this.#hasLetterKeys;
	}
	set hasLetterKeys(hasLetterKeys: boolean) {
		this.#hasLetterKeys = hasLetterKeys;
		write('letter-keys', hasLetterKeys ? 'on' : 'off');
	}
}

export const appearance = new Appearance();

/** Puts the choices onto the page; for the root layout's effect. */
export function applyAppearance() {
	document.documentElement.dataset.theme = appearance.resolvedTheme;
	document.documentElement.dataset.motion = appearance.isStill ? 'reduced' : 'full';
}
