import { QueryClient } from '@tanstack/svelte-query';
import { ApiError } from './client.ts';

const TRIES = 3;

/** Asking again helps when the server was away or asked for patience, never after a refusal. */
export function shouldRetry(failures: number, error: unknown): boolean {
	if (!(error instanceof ApiError) || failures >= TRIES) return false;
	return error.status === 0 || error.status === 429 || error.status >= 502;
}

export function retryDelay(failures: number, error: unknown): number {
	if (error instanceof ApiError && error.retry_after !== null) return error.retry_after * 1000;
	return Math.min(1000 * 2 ** failures, 10_000);
}

export const queryClient = new QueryClient({
	defaultOptions: {
		queries: {
			// Events tell what changed; nothing is asked again by the clock.
			staleTime: Infinity,
			refetchOnWindowFocus: false,
			networkMode: 'always',
			retry: shouldRetry,
			retryDelay
		},
		mutations: { networkMode: 'always', retry: false }
	}
});
