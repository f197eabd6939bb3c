import { api, ok, toApiError, type ApiError } from '#lib/api/client.ts';
import type { EventStream, LiveEvent } from '#lib/api/events.svelte.ts';
import {
	arrange,
	needsReading,
	withEvents,
	withJobs,
	withoutEnded,
	type Held,
	type Job,
	type JobGroup,
	type JobRow
} from './jobs.ts';

/** Which jobs a list shows. */
export type JobScope = {
	state: JobGroup;
	q: string;
	needsAttention: boolean;
	workspaceId: string | null;
	/** Administrators: everybody's jobs, or those of one person. */
	allUsers: boolean;
	userId: string | null;
};

/** Where to read on: `part` of the list, and the cursor within it. */
type Tail = { part: number; cursor: string | null };

const NOTHING: Held = new Map();
const PAGE = 200;
const DRAW_MS = 100;
const GATHER_MS = 700;
/** More changed jobs than this are read with the head of the list, in one request. */
const MOST_SINGLE_READINGS = 5;
const LINGER_MS = 20_000;
const SWEEP_MS = 5000;
const REREAD_MS = 60_000;

/** The parts a list is read in, one after the other: what runs stands above thousands that wait. */
export function partsOf(scope: JobScope): { status?: Job['status'][] }[] {
	return scope.state === 'active' ? [{ status: ['processing'] }, { status: ['pending'] }] : [{}];
}

export function filterOf(scope: JobScope) {
	return {
		state: scope.state,
		q: scope.q.trim() || undefined,
		needs_attention: scope.needsAttention || undefined,
		workspace_id: scope.workspaceId ?? undefined,
		all_users: scope.allUsers || undefined,
		user_id: scope.userId ?? undefined
	};
}

/**
 * A queue's list: read page by page, then kept by events. An event changes the row at once; what it does not tell
 * is read for a few jobs each, or for many with the head of the list, at most once in each `GATHER_MS`.
 */
export class JobList {
	rows: JobRow[] = $derived.by(() => arrange(this.#held.values(), !this.hasMore));
	isPending = $state(true);
	error = $state.raw<ApiError | null>(null);
	readonly scope: JobScope;

	#held = $state.raw<Held>(NOTHING);
	#tail = $state.raw<Tail | null>({ part: 0, cursor: null });
	#isReading = false;
	#changed: string[] = [];
	#told: LiveEvent[] = [];
	#telling: ReturnType<typeof setTimeout> | undefined;
	#gathering: ReturnType<typeof setTimeout> | undefined;
	#sweeping: ReturnType<typeof setInterval> | undefined;
	#abort = new AbortController();

	constructor(scope: JobScope) {
		this.scope = scope;
	}

	get hasMore(): boolean {
		return this.#tail !== null;
	}

	find(id: string): Job | undefined {
		return this.#held.get(id)?.job;
	}

	/** Reads the first page and follows the events, until `close`. */
	open(stream: Pick<EventStream, 'on'>): () => void {
		const off = stream.on('*', (event) => this.take(event));
		this.#sweeping = setInterval(() => this.#dropEnded(), SWEEP_MS);
		void this.readOn();
		return () => {
			off();
			this.#abort.abort();
			clearTimeout(this.#telling);
			clearTimeout(this.#gathering);
			clearInterval(this.#sweeping);
		};
	}

	/** Reads the next page, unless one is being read or there is none. */
	async readOn(): Promise<void> {
		const tail = this.#tail;
		if (!tail || this.#isReading) return;
		this.#isReading = true;
		this.error = null;
		try {
			const next = await this.#readPage(tail);
			this.#tail = next;
			// The first part may be empty or short: nothing is shown until the second is there too.
			if (next && next.cursor === null && next.part > 0) this.#tail = await this.#readPage(next);
			this.isPending = false;
		} catch (error) {
			if (!this.#abort.signal.aborted) this.error = toApiError(error);
		} finally {
			this.#isReading = false;
		}
	}

	/** Forgets everything and reads anew. */
	async reload(): Promise<void> {
		this.#held = NOTHING;
		this.#tail = { part: 0, cursor: null };
		this.isPending = true;
		await this.readOn();
	}

	/** Puts in what an action answered, or takes out what belongs elsewhere now. */
	put(jobs: Job[]): void {
		this.#held = withJobs(this.#held, jobs, this.scope.state, Date.now());
	}

	/** A picture's link has run out: reads the job again, unless that was done just now. */
	refresh(id: string): void {
		const one = this.#held.get(id);
		if (one && Date.now() - one.readAt > REREAD_MS) this.#gather(id);
	}

	/** Takes in an event about a job; a burst of them is drawn once. */
	take(event: LiveEvent): void {
		if (event.type === 'resync') {
			void this.reload();
		} else if (event.job_id) {
			this.#told.push(event);
			this.#telling ??= setTimeout(() => this.#takeTold(), DRAW_MS);
		}
	}

	#takeTold(): void {
		this.#telling = undefined;
		const told = this.#told.splice(0);
		const { state } = this.scope;
		this.#held = withEvents(this.#held, told, state, Date.now());
		for (const event of told) {
			const group = (event.data?.job as Job | undefined)?.group;
			const isHere = this.#held.has(event.job_id!) || group === state;
			if (isHere && needsReading(event)) this.#gather(event.job_id!);
		}
	}

	#dropEnded(): void {
		const limit = Date.now() - LINGER_MS;
		if (this.rows.some(({ endedAt }) => endedAt !== null && endedAt <= limit))
			this.#held = withoutEnded(this.#held, limit);
	}

	#gather(id: string): void {
		if (!this.#changed.includes(id)) this.#changed.push(id);
		this.#gathering ??= setTimeout(() => void this.#readChanged(), GATHER_MS);
	}

	async #readChanged(): Promise<void> {
		const ids = this.#changed.splice(0);
		try {
			// A job that is not here yet may not fit the filter: only the list itself can say.
			if (ids.length <= MOST_SINGLE_READINGS && ids.every((id) => this.#held.has(id)))
				this.put(await Promise.all(ids.map((id) => this.#readJob(id))));
			else
				for (const part of partsOf(this.scope).keys()) await this.#readPage({ part, cursor: null });
		} catch {
			// The rows stay as the events told them; the next change reads again.
		} finally {
			this.#gathering = undefined;
			if (this.#changed.length > 0) this.#gather(this.#changed[0]!);
		}
	}

	#readJob(id: string): Promise<Job> {
		const { signal } = this.#abort;
		return ok(api.GET('/api/v1/jobs/{job_id}', { params: { path: { job_id: id } }, signal }));
	}

	/** Reads one page into the list; tells where to go on. */
	async #readPage({ part, cursor }: Tail): Promise<Tail | null> {
		const parts = partsOf(this.scope);
		const query = { ...filterOf(this.scope), ...parts[part], cursor: cursor ?? undefined };
		const { signal } = this.#abort;
		const page = await ok(
			api.GET('/api/v1/jobs', { params: { query: { ...query, limit: PAGE } }, signal })
		);
		this.put(page.items);
		if (page.next_cursor) return { part, cursor: page.next_cursor };
		return part + 1 < parts.length ? { part: part + 1, cursor: null } : null;
	}
}
