import { ApiError, api, ok, toApiError } from '#lib/api/client.ts';
import type { Job } from './batches.ts';
import { newKey } from './key.ts';
import type { JobRequest } from './variations.ts';

/** When the jobs of a run may begin. */
export type Start = {
	priority?: number;
	scheduled_at?: string;
	parent_job_id?: string;
};

const CALM_CODES = new Set(['quota_exceeded']);

/** Sends a run: once, however often the button is pressed or an answer is lost. */
export class Submission {
	isSending = $state(false);
	/** Why the last one was not taken. */
	problem = $state.raw<ApiError | null>(null);
	/** When a refused one is sent again by itself. */
	againAt = $state<number | null>(null);

	#sent: { body: string; key: string } | null = null;
	#timer: ReturnType<typeof setTimeout> | undefined;

	/** The accepted jobs, or null: refused, see `problem`. */
	async send(requests: JobRequest[], start: Start = {}): Promise<Job[] | null> {
		if (this.isSending) return null;
		this.cancel();
		this.isSending = true;
		const jobs = requests.map((request) => ({ ...request, ...start }));
		try {
			const headers = { 'Idempotency-Key': this.#keyFor(JSON.stringify(jobs)) };
			const answer = await ok(
				api.POST('/api/v1/jobs/batch', { body: { jobs }, params: { header: headers } })
			);
			this.#sent = null;
			return answer.items;
		} catch (error) {
			this.problem = toApiError(error);
			return null;
		} finally {
			this.isSending = false;
		}
	}

	/** Calls `again` when the server said that it may be asked again; true if it did. */
	retryLater(again: () => void): boolean {
		const problem = this.problem;
		if (problem?.status !== 429 || problem.retry_after === null || CALM_CODES.has(problem.code))
			return false;
		this.againAt = Date.now() + problem.retry_after * 1000;
		this.#timer = setTimeout(again, problem.retry_after * 1000);
		return true;
	}

	/** Forgets the last refusal, and does not try again by itself. */
	cancel() {
		clearTimeout(this.#timer);
		this.againAt = null;
		this.problem = null;
	}

	/** The same run keeps its key until it was answered, so that a lost answer costs nothing. */
	#keyFor(body: string): string {
		if (this.#sent?.body !== body) this.#sent = { body, key: newKey() };
		return this.#sent.key;
	}
}
