const RAIL = 'rail';

/** What of the frame is open. */
class ShellState {
	isPaletteOpen = $state(false);
	areKeysShown = $state(false);
	#isRailHidden = $state(localStorage.getItem(RAIL) === 'hidden');

	get isRailHidden(): boolean {
		return this.#isRailHidden;
	}

	toggleRail() {
		this.#isRailHidden = !this.#isRailHidden;
		localStorage.setItem(RAIL, this.#isRailHidden ? 'hidden' : 'shown');
	}
}

export const shell = new ShellState();
