import { QueryClient } from '@tanstack/svelte-query';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventStream, isAfter, matches, type LiveEvent } from './events.svelte.ts';
import { keepFresh, staleKeys } from './live.ts';

/** A server's end of the stream, worked by hand. */
class Source {
	static all: Source[] = [];
	isClosed = false;
	onopen: (() => void) | null = null;
	onmessage: ((message: { data: string }) => void) | null = null;
	onerror: (() => void) | null = null;

	constructor(public url: string) {
		Source.all.push(this);
	}
	close() {
		this.isClosed = true;
	}
	send(event: LiveEvent) {
		this.onmessage?.({ data: JSON.stringify(event) });
	}
	static get last(): Source {
		return Source.all.at(-1)!;
	}
}

/** One lock, given to the first who asks, then to the next. */
class Locks {
	#last: Promise<unknown> = Promise.resolve();

	request(_: string, { signal }: { signal: AbortSignal }, work: () => Promise<unknown>) {
		const turn = this.#last.then(() => (signal.aborted ? undefined : work()));
		this.#last = turn;
		return turn;
	}
}

/** Delivers at once, to everybody else. */
class Channel {
	static all: Channel[] = [];
	onmessage: ((message: { data: unknown }) => void) | null = null;

	constructor() {
		Channel.all.push(this);
	}
	postMessage(data: unknown) {
		for (const other of Channel.all) if (other !== this) other.onmessage?.({ data });
	}
	close() {
		Channel.all = Channel.all.filter((other) => other !== this);
	}
}

const event = (id: string, type = 'job:created'): LiveEvent => ({ id, type, job_id: 'j' });
const settle = () => vi.advanceTimersByTimeAsync(0);

let streams: EventStream[];
let isServerThere: boolean;

function tab(): { stream: EventStream; heard: string[] } {
	const stream = new EventStream(async () => {
		if (!isServerThere) throw new Error('away');
	});
	const heard: string[] = [];
	stream.on('*', ({ id, type }) => heard.push(`${type} ${id}`));
	stream.start();
	streams.push(stream);
	return { stream, heard };
}

beforeEach(() => {
	vi.useFakeTimers();
	Source.all = [];
	Channel.all = [];
	streams = [];
	isServerThere = true;
	vi.stubGlobal('EventSource', Source);
	vi.stubGlobal('BroadcastChannel', Channel);
	Object.defineProperty(navigator, 'locks', { value: new Locks(), configurable: true });
});
afterEach(() => {
	streams.forEach((stream) => stream.stop());
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

describe('event stream', () => {
	it('streams in one tab and is heard in all, without repeats', async () => {
		const first = tab();
		const second = tab();
		await settle();
		expect(Source.all).toHaveLength(1);
		Source.last.onopen?.();
		Source.last.send(event('10-1'));
		Source.last.send(event('10-1'));
		Source.last.send(event('9-7'));
		expect(first.heard).toEqual(['job:created 10-1']);
		expect(second.heard).toEqual(['job:created 10-1']);
	});

	it('is taken over where the closed tab stopped', async () => {
		const first = tab();
		const second = tab();
		await settle();
		Source.last.onopen?.();
		Source.last.send(event('10-1'));
		first.stream.stop();
		await settle();
		expect(Source.all).toHaveLength(2);
		expect(Source.last.url).toContain('since=10-1');
		Source.last.onopen?.();
		Source.last.send(event('11-2'));
		expect(second.heard).toEqual(['job:created 10-1', 'job:created 11-2']);
		expect(second.stream.isAway).toBe(false);
	});

	it('tells of silence after three seconds, asks ever more rarely, and resumes', async () => {
		const { stream } = tab();
		await settle();
		Source.last.onopen?.();
		Source.last.send(event('10-1'));
		isServerThere = false;
		Source.last.onerror?.();
		await vi.advanceTimersByTimeAsync(2900);
		expect(stream.isAway).toBe(false);
		await vi.advanceTimersByTimeAsync(200);
		expect(stream.isAway).toBe(true);
		expect(Source.all).toHaveLength(1);
		isServerThere = true;
		await vi.advanceTimersByTimeAsync(15_000);
		expect(Source.all).toHaveLength(2);
		expect(Source.last.url).toContain('since=10-1');
		Source.last.onopen?.();
		expect(stream.isAway).toBe(false);
	});

	it('asks for everything anew when it has no position to resume from', async () => {
		const { heard } = tab();
		await settle();
		Source.last.onopen?.();
		Source.last.onerror?.();
		await vi.advanceTimersByTimeAsync(1000);
		Source.last.onopen?.();
		expect(heard).toEqual(['resync 0-0']);
	});

	it('without locks streams only while the tab is seen', async () => {
		Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true });
		let visibility = 'visible';
		Object.defineProperty(document, 'visibilityState', {
			get: () => visibility,
			configurable: true
		});
		tab();
		await settle();
		Source.last.onopen?.();
		Source.last.send(event('10-1'));
		visibility = 'hidden';
		document.dispatchEvent(new Event('visibilitychange'));
		expect(Source.last.isClosed).toBe(true);
		visibility = 'visible';
		document.dispatchEvent(new Event('visibilitychange'));
		expect(Source.all).toHaveLength(2);
		expect(Source.last.url).toContain('since=10-1');
	});

	it('ends with stop', async () => {
		const { stream } = tab();
		await settle();
		Source.last.onerror?.();
		stream.stop();
		await vi.advanceTimersByTimeAsync(60_000);
		expect(Source.all).toHaveLength(1);
		expect(stream.isAway).toBe(false);
	});
});

describe('positions and patterns', () => {
	it('compares by transaction, then by number, as numbers', () => {
		expect(isAfter('10-1', '9-99')).toBe(true);
		expect(isAfter('10-2', '10-10')).toBe(false);
		expect(isAfter('1-1', null)).toBe(true);
	});

	it('matches exactly, by area, or everything', () => {
		expect(matches('job:*', 'job:progress')).toBe(true);
		expect(matches('job:created', 'job:progress')).toBe(false);
		expect(matches('*', 'resync')).toBe(true);
	});
});

describe('freshness', () => {
	it('makes queries stale once for a burst of events', async () => {
		const stream = new EventStream(async () => {});
		const client = new QueryClient();
		const spy = vi.spyOn(client, 'invalidateQueries');
		const stop = keepFresh(stream, client);
		stream.start();
		await settle();
		for (let number = 1; number <= 20; number += 1) Source.last.send(event(`10-${number}`));
		await vi.advanceTimersByTimeAsync(400);
		expect(spy).toHaveBeenCalledTimes(staleKeys('job:created').length);
		Source.last.send({ id: '11-1', type: 'resync' });
		expect(spy).toHaveBeenLastCalledWith();
		stop();
		stream.stop();
	});

	it('leaves queries alone for progress', () => {
		expect(staleKeys('job:progress')).toEqual([]);
		expect(staleKeys('workspace:updated')).toEqual([['workspaces']]);
	});
});
