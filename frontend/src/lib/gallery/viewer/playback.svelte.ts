export const SPEEDS = [0.25, 0.5, 1, 1.5, 2] as const;
/** Where the file does not say: what most models make. */
const USUAL_FPS = 24;

/** A film under the viewer's own controls: frames, speed, loop and a part of it from A to B. */
export class Playback {
	#video: HTMLVideoElement | undefined;
	#isPaused = $state(true);
	#time = $state(0);
	#duration = $state(0);
	#speed = $state(1);
	#isLooped = $state(true);
	#from = $state<number | null>(null);
	#to = $state<number | null>(null);
	fps = USUAL_FPS;

	get isPaused() {
		return this.#isPaused;
	}
	get time() {
		return this.#time;
	}
	get duration() {
		return this.#duration;
	}
	get speed() {
		return this.#speed;
	}
	get isLooped() {
		return this.#isLooped;
	}
	/** The part that is played, in seconds; null where it is not marked. */
	get part() {
		return { from: this.#from, to: this.#to };
	}

	/** Takes charge of a video element; gives the way to let go of it. */
	attach = (video: HTMLVideoElement) => {
		this.#video = video;
		this.#from = this.#to = null;
		const listening = new AbortController();
		const { signal } = listening;
		const on = (type: string, handler: () => void) =>
			video.addEventListener(type, handler, { signal });
		on('play', () => (this.#isPaused = false));
		on('pause', () => (this.#isPaused = true));
		on('durationchange', () => (this.#duration = video.duration || 0));
		on('timeupdate', () => (this.#time = video.currentTime));
		on('seeked', () => (this.#time = video.currentTime));
		on('ended', () => this.#ended());
		let frame = 0;
		const follow = () => {
			if (!video.paused) this.#time = video.currentTime;
			if (this.#to !== null && video.currentTime >= this.#to) this.#ended();
			frame = requestAnimationFrame(follow);
		};
		frame = requestAnimationFrame(follow);
		video.playbackRate = this.#speed;
		this.#duration = video.duration || 0;
		return () => {
			cancelAnimationFrame(frame);
			listening.abort();
			video.pause();
			video.removeAttribute('src');
			video.load();
			this.#video = undefined;
		};
	};

	#ended(): void {
		if (!this.#video) return;
		this.#video.currentTime = this.#from ?? 0;
		if (this.#isLooped) this.play();
		else this.#video.pause();
	}

	play(): void {
		this.#video?.play().catch(() => {
			// The browser wants a gesture first: the button is there for that.
		});
	}

	toggle(): void {
		if (this.#isPaused) this.play();
		else this.#video?.pause();
	}

	seek(seconds: number): void {
		if (!this.#video) return;
		this.#video.currentTime = Math.min(Math.max(0, seconds), this.#duration);
		this.#time = this.#video.currentTime;
	}

	/** Stops, and shows the next frame or the one before. */
	step(frames: number): void {
		this.#video?.pause();
		const frame = Math.floor(this.#time * this.fps + 1e-3) + frames;
		// The middle of a frame: at its edge a browser may show either.
		this.seek((frame + 0.5) / this.fps);
	}

	setSpeed(speed: number): void {
		this.#speed = speed;
		if (this.#video) this.#video.playbackRate = speed;
	}

	faster(steps: number): void {
		const at = SPEEDS.findIndex((speed) => speed === this.#speed);
		this.setSpeed(SPEEDS[Math.min(Math.max(0, at + steps), SPEEDS.length - 1)]!);
	}

	toggleLoop(): void {
		this.#isLooped = !this.#isLooped;
	}

	/** The first time marks A, the second B, the third forgets both. */
	mark(): void {
		if (this.#from === null) this.#from = this.#time;
		else if (this.#to === null && this.#time > this.#from) this.#to = this.#time;
		else this.#from = this.#to = null;
	}
}
