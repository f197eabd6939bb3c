const WAIT_MS = 130;

/** Which tile plays: one at a time, and only after the pointer has rested. */
class HoverPlayback {
	#playing = $state<string | null>(null);
	#timer: ReturnType<typeof setTimeout> | undefined;

	get playing(): string | null {
		return this.#playing;
	}

	enter(id: string): void {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => (this.#playing = id), WAIT_MS);
	}

	leave(): void {
		clearTimeout(this.#timer);
		this.#playing = null;
	}
}

export const hover = new HoverPlayback();
