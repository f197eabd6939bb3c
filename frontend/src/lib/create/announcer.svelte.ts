import { count } from '#lib/format.ts';
import { events } from '#lib/api/live.ts';

const GATHER_MS = 800;
const WORDS: Record<string, string> = {
	'job:started': 'started',
	'job:completed': 'done',
	'job:failed': 'failed'
};

/** What readers are told: starts and ends, gathered, never each percent. */
export class Announcer {
	text = $state('');

	#heard: Record<string, number> = {};
	#timer: ReturnType<typeof setTimeout> | undefined;

	constructor() {
		$effect(() => {
			const off = events.on('job:*', ({ type }) => {
				if (!WORDS[type]) return;
				this.#heard[type] = (this.#heard[type] ?? 0) + 1;
				this.#timer ??= setTimeout(() => this.#tell(), GATHER_MS);
			});
			return () => {
				off();
				clearTimeout(this.#timer);
			};
		});
	}

	#tell() {
		this.#timer = undefined;
		this.text = Object.entries(this.#heard)
			.map(([type, jobs]) => `${count(jobs, 'job')} ${WORDS[type]}`)
			.join(', ');
		this.#heard = {};
	}
}
