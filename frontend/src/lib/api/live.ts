import type { QueryClient } from '@tanstack/svelte-query';
import { api, ok } from './client.ts';
import { EventStream, type LiveEvent } from './events.svelte.ts';
import { KEYS } from './queries.ts';
import { queryClient } from './query-client.ts';

/** The one stream of this tab. Pages listen: `$effect(() => events.on('job:*', …))`. */
export const events = new EventStream(async () => {
	await ok(api.GET('/api/v1/auth/me'));
});

const GATHER_MS = 300;

/** Which queries an event makes stale. Pages patch what they show and need no more than that. */
export function staleKeys(type: string): (readonly string[])[] {
	switch (type) {
		case 'job:created':
		case 'job:started':
			return [KEYS.jobCounts, KEYS.usage];
		case 'job:completed':
		case 'job:failed':
		case 'job:cancelled':
			return [KEYS.jobCounts, KEYS.usage, KEYS.accounts];
		case 'account:selected':
		case 'account:credits':
			return [KEYS.accounts];
		case 'account:created':
		case 'account:updated':
		case 'account:status':
		case 'account:deleted':
			return [KEYS.accounts, KEYS.operations];
	}
	if (type.startsWith('webhook:')) return [KEYS.webhooks];
	return type.startsWith('workspace:') ? [KEYS.workspaces] : [];
}

/** Makes queries stale as events come, gathered, so that a burst costs one request. */
export function keepFresh(stream: EventStream, client: QueryClient): () => void {
	const waiting = new Map<string, readonly string[]>();
	let timer: ReturnType<typeof setTimeout> | undefined;

	function flush() {
		timer = undefined;
		for (const queryKey of waiting.values()) void client.invalidateQueries({ queryKey });
		waiting.clear();
	}

	function note(event: LiveEvent) {
		if (event.type === 'resync') {
			void client.invalidateQueries();
			return;
		}
		for (const key of staleKeys(event.type)) waiting.set(key.join('/'), key);
		if (waiting.size > 0) timer ??= setTimeout(flush, GATHER_MS);
	}

	const off = stream.on('*', note);
	return () => {
		clearTimeout(timer);
		off();
	};
}

keepFresh(events, queryClient);
