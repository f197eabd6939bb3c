/** Live events: one stream for all tabs of a browser, relayed by the tab that holds the lock. */

export type LiveEvent = {
	/** Its position, `xid-id`; grows along the stream. */
	id: string;
	/** `job:progress`, `asset:created` …, or `resync`: too much was missed, read everything anew. */
	type: string;
	job_id?: string | null;
	asset_id?: string | null;
	account_id?: string | null;
	created_at?: string;
	data?: Record<string, unknown>;
};

/** `job:progress`, `job:*`, or `*`. */
export type Pattern = string;
type Handler = (event: LiveEvent) => void;
type Listener = { pattern: Pattern; handler: Handler };

type Relay =
	| { kind: 'hello' }
	| { kind: 'status'; isLive: boolean; position: string | null }
	| { kind: 'event'; event: LiveEvent };

export const STREAM = '/api/v1/events';
const LOCK = 'pixsim7-events';
const AWAY_AFTER_MS = 3000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;

/** Whether a position comes after another; they are pairs of numbers. */
export function isAfter(position: string, other: string | null): boolean {
	if (other === null) return true;
	const [xid = 0, id = 0] = position.split('-').map(Number);
	const [otherXid = 0, otherId = 0] = other.split('-').map(Number);
	return xid === otherXid ? id > otherId : xid > otherXid;
}

export function matches(pattern: Pattern, type: string): boolean {
	if (pattern === '*' || pattern === type) return true;
	return pattern.endsWith(':*') && type.startsWith(pattern.slice(0, -1));
}

export class EventStream {
	/** Whether the server can be heard; false only after three seconds of silence. */
	isAway = $state(false);

	#listeners: Listener[] = [];
	#probe: () => Promise<void>;
	#source: EventSource | null = null;
	#channel: BroadcastChannel | null = null;
	#stopping: AbortController | null = null;
	#isLeader = false;
	#isLive = false;
	#wasLive = false;
	#position: string | null = null;
	#pause = FIRST_PAUSE_MS;
	#reopen: ReturnType<typeof setTimeout> | undefined;
	#away: ReturnType<typeof setTimeout> | undefined;

	/** `probe` asks the server for anything small: it renews the session, or raises. */
	constructor(probe: () => Promise<void>) {
		this.#probe = probe;
	}

	/** Calls `handler` for each event of the pattern, in this tab; gives the way to stop it. */
	on(pattern: Pattern, handler: Handler): () => void {
		const listener = { pattern, handler };
		this.#listeners.push(listener);
		return () => {
			this.#listeners = this.#listeners.filter((other) => other !== listener);
		};
	}

	/** Begins to listen, until `stop`. */
	start() {
		if (this.#stopping) return;
		const stopping = new AbortController();
		this.#stopping = stopping;
		const { signal } = stopping;
		addEventListener('online', () => this.#retryNow(), { signal });
		this.#setLive(false);
		if (navigator.locks && typeof BroadcastChannel !== 'undefined') this.#share(signal);
		else this.#streamWhileVisible(signal);
	}

	/** Ends listening: signed out, or the session is over. */
	stop() {
		this.#stopping?.abort();
		this.#stopping = null;
		this.#close();
		this.#hasReturned();
		this.#channel?.close();
		this.#channel = null;
		this.#isLeader = this.#isLive = this.#wasLive = false;
		this.#position = null;
	}

	// --- who streams ----------------------------------------------------------------------------

	#share(signal: AbortSignal) {
		this.#channel = new BroadcastChannel(LOCK);
		this.#channel.onmessage = (message: MessageEvent<Relay>) => this.#hear(message.data);
		this.#tell({ kind: 'hello' });
		navigator.locks
			.request(LOCK, { signal }, async () => {
				this.#isLeader = true;
				this.#open();
				await new Promise((resolve) => signal.addEventListener('abort', resolve));
			})
			.catch((error: unknown) => {
				if (!signal.aborted) throw error;
			});
	}

	/** Plain http on a network has no locks: each tab streams for itself, and only while seen. */
	#streamWhileVisible(signal: AbortSignal) {
		this.#isLeader = true;
		const follow = () => {
			if (document.visibilityState === 'visible') this.#open();
			else this.#close();
		};
		document.addEventListener('visibilitychange', follow, { signal });
		follow();
	}

	#hear(relay: Relay) {
		if (relay.kind === 'hello') {
			if (this.#isLeader) this.#tellStatus();
		} else if (this.#isLeader) {
			return;
		} else if (relay.kind === 'status') {
			this.#position ??= relay.position;
			this.#setLive(relay.isLive);
		} else {
			this.#receive(relay.event);
		}
	}

	#tell(relay: Relay) {
		this.#channel?.postMessage(relay);
	}

	#tellStatus() {
		this.#tell({ kind: 'status', isLive: this.#isLive, position: this.#position });
	}

	// --- the stream itself ----------------------------------------------------------------------

	#open() {
		this.#close();
		const since = this.#position;
		const source = new EventSource(since ? `${STREAM}?since=${encodeURIComponent(since)}` : STREAM);
		this.#source = source;
		source.onopen = () => {
			this.#pause = FIRST_PAUSE_MS;
			// Nothing to resume from, but something may have been missed.
			if (this.#wasLive && since === null) this.#emit({ id: '0-0', type: 'resync' });
			this.#setLive(true);
		};
		source.onmessage = (message: MessageEvent<string>) =>
			this.#receive(JSON.parse(message.data) as LiveEvent);
		source.onerror = () => this.#lost();
	}

	#close() {
		clearTimeout(this.#reopen);
		this.#source?.close();
		this.#source = null;
	}

	#lost() {
		this.#close();
		this.#setLive(false);
		this.#reopen = setTimeout(() => void this.#return(), this.#pause);
		this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
	}

	/** An EventSource cannot say why it failed; a request can, and renews the session. */
	async #return() {
		const stopping = this.#stopping;
		try {
			await this.#probe();
		} catch {
			// Stopped meanwhile when the session is over; else the server is still away.
			if (stopping === this.#stopping && stopping) this.#lost();
			return;
		}
		if (stopping === this.#stopping && stopping) this.#open();
	}

	#retryNow() {
		if (!this.#isLeader || this.#isLive) return;
		clearTimeout(this.#reopen);
		this.#pause = FIRST_PAUSE_MS;
		void this.#return();
	}

	// --- what comes in --------------------------------------------------------------------------

	#receive(event: LiveEvent) {
		// A stream that was taken over repeats what some tabs have heard.
		if (event.type !== 'resync' && !isAfter(event.id, this.#position)) return;
		this.#position = event.id;
		if (this.#isLeader) this.#tell({ kind: 'event', event });
		this.#emit(event);
	}

	#emit(event: LiveEvent) {
		for (const { pattern, handler } of this.#listeners)
			if (matches(pattern, event.type)) handler(event);
	}

	#setLive(isLive: boolean) {
		this.#isLive = isLive;
		this.#wasLive ||= isLive;
		if (this.#isLeader) this.#tellStatus();
		if (isLive) this.#hasReturned();
		// Counted from the first silence, however often it is tried again.
		else this.#away ??= setTimeout(() => (this.isAway = true), AWAY_AFTER_MS);
	}

	#hasReturned() {
		clearTimeout(this.#away);
		this.#away = undefined;
		this.isAway = false;
	}
}
