const FPS = 24;
/** Further apart than this, films are set to the same moment again. */
const DRIFT_S = 0.08;

/** Films that play as one. The longest leads; the others are kept beside it. */
export class SyncedPlayback {
	readonly #films = new Set<HTMLVideoElement>();
	#isPaused = $state(true);
	#time = $state(0);
	#duration = $state(0);
	#frame = 0;

	get isPaused() {
		return this.#isPaused;
	}
	get time() {
		return this.#time;
	}
	get duration() {
		return this.#duration;
	}

	attach = (film: HTMLVideoElement) => {
		this.#films.add(film);
		const measure = () => (this.#duration = this.#lead?.duration || 0);
		film.addEventListener('durationchange', measure);
		measure();
		return () => {
			film.removeEventListener('durationchange', measure);
			film.pause();
			this.#films.delete(film);
			if (this.#films.size === 0) cancelAnimationFrame(this.#frame);
		};
	};

	toggle(): void {
		this.#isPaused = !this.#isPaused;
		cancelAnimationFrame(this.#frame);
		if (this.#isPaused) {
			for (const film of this.#films) film.pause();
			return;
		}
		for (const film of this.#films) void film.play().catch(() => (this.#isPaused = true));
		this.#follow();
	}

	seek(seconds: number): void {
		this.#time = Math.min(Math.max(0, seconds), this.#duration);
		for (const film of this.#films) film.currentTime = this.#within(film, this.#time);
	}

	step(frames: number): void {
		if (!this.#isPaused) this.toggle();
		this.seek((Math.floor(this.#time * FPS + 1e-3) + frames + 0.5) / FPS);
	}

	get #lead(): HTMLVideoElement | undefined {
		return [...this.#films].sort((one, other) => (other.duration || 0) - (one.duration || 0))[0];
	}

	/** Shorter films begin again while the longest goes on. */
	#within(film: HTMLVideoElement, seconds: number): number {
		return film.duration ? seconds % film.duration : seconds;
	}

	#follow = (): void => {
		const lead = this.#lead;
		if (!lead) return;
		this.#time = lead.currentTime;
		for (const film of this.#films) {
			const should = this.#within(film, lead.currentTime);
			if (film !== lead && Math.abs(film.currentTime - should) > DRIFT_S) film.currentTime = should;
		}
		this.#frame = requestAnimationFrame(this.#follow);
	};
}
