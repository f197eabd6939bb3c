import { MediaQuery } from 'svelte/reactivity';

const NAME = 'create-settings';

/** Beside the stream from 1280 px on, over it from 1024, a sheet below. */
const wide = new MediaQuery('min-width: 1280px');
const medium = new MediaQuery('min-width: 1024px');

/** Whether the settings are shown: kept where they have their own place, closed where they cover. */
class SettingsPanelState {
	#isKept = $state(localStorage.getItem(NAME) !== 'closed');
	#isOver = $state(false);

	get place(): 'beside' | 'over' | 'sheet' {
		if (wide.current) return 'beside';
		return medium.current ? 'over' : 'sheet';
	}

	get isOpen(): boolean {
		return wide.current ? this.#isKept : this.#isOver;
	}
	set isOpen(isOpen: boolean) {
		if (!wide.current) {
			this.#isOver = isOpen;
			return;
		}
		this.#isKept = isOpen;
		localStorage.setItem(NAME, isOpen ? 'open' : 'closed');
	}
}

export const panel = new SettingsPanelState();
