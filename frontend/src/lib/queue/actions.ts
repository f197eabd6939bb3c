/** What a person can do with jobs: asks where it matters, says what came of it. */
import { api, ok, type Schema } from '#lib/api/client.ts';
import { KEYS } from '#lib/api/queries.ts';
import { queryClient } from '#lib/api/query-client.ts';
import { count } from '#lib/format.ts';
import { confirm } from '#lib/ui/confirm.svelte.ts';
import { toastDone, toastError } from '#lib/ui/toasts.ts';
import { steer } from './steer.ts';
import type { Job } from './jobs.ts';
import { titleOf } from './words.ts';

export type JobAction = Job['choices'][number];
export type BulkAction = Schema<'BulkChange'>['action'];
type BulkTarget = { ids: string[] } | { filter: Schema<'JobFilter'> };
type BulkSum = { done: number; children: number; skipped: Schema<'SkippedRead'>[] };

export const ACTIONS: Record<JobAction, { label: string; keys?: string; failure: string }> = {
	cancel: { label: 'Cancel', keys: 'Delete', failure: 'The job could not be cancelled' },
	pause: { label: 'Pause', failure: 'The job could not be paused' },
	resume: { label: 'Resume', failure: 'The job could not be resumed' },
	to_front: { label: 'To front', keys: 'u', failure: 'The job could not be moved to the front' },
	retry: { label: 'Retry', keys: 'r', failure: 'The job could not be tried again' },
	retry_second_charge: {
		label: 'Retry, may cost twice',
		keys: 'r',
		failure: 'The job could not be tried again'
	},
	dismiss: { label: 'Give up', failure: 'The job could not be given up' }
};

/** Does it, and gives the job as it is then; null when the person thought better of it or it failed. */
export async function act(job: Job, action: JobAction): Promise<Job | null> {
	if (!(await isMeant(job, action))) return null;
	try {
		const changed = await steer(job.id, action);
		if (action === 'cancel' && job.status === 'pending')
			toastDone('Cancelled', { text: titleOf(job), undo: () => void act(changed, 'retry') });
		void queryClient.invalidateQueries({ queryKey: KEYS.jobs });
		return changed;
	} catch (error) {
		toastError(ACTIONS[action].failure, error);
		return null;
	}
}

function isMeant(job: Job, action: JobAction): Promise<boolean> | true {
	switch (action) {
		case 'cancel':
			return meansToCancel(job);
		case 'retry_second_charge':
			return confirm({
				title: 'Try again, at the risk of a second charge?',
				text: 'The last attempt may have been charged by the provider. A new one is charged as well.',
				action: 'Retry anyway',
				isDanger: true
			});
		case 'dismiss':
			return confirm({
				title: 'Give this job up?',
				text: 'It counts as failed. Should a result still appear, it is kept in the gallery.',
				action: 'Give up'
			});
		default:
			return true;
	}
}

function meansToCancel(job: Job): Promise<boolean> | true {
	const followers = job.child_ids.length;
	if (followers === 0 && job.status === 'pending') return true;
	const parts = [];
	if (job.status === 'processing')
		parts.push('It is under way: the provider may charge for it all the same.');
	if (followers > 0)
		parts.push(
			`${count(followers, 'job')} that ${followers === 1 ? 'follows' : 'follow'} it, and what follows them, end with it.`
		);
	return confirm({
		title: 'Cancel this job?',
		text: parts.join(' '),
		action: followers > 0 ? `Cancel ${count(followers + 1, 'job')}` : 'Cancel the job',
		isDanger: true
	});
}

// --- many at once ------------------------------------------------------------------------------

const BULK: Record<BulkAction, { done: string; failure: string }> = {
	cancel: { done: 'Cancelled', failure: 'The jobs could not be cancelled' },
	pause: { done: 'Paused', failure: 'The jobs could not be paused' },
	resume: { done: 'Resumed', failure: 'The jobs could not be resumed' },
	retry: { done: 'Trying again:', failure: 'The jobs could not be tried again' },
	to_front: { done: 'Moved to the front:', failure: 'The jobs could not be moved' }
};

/** The server does at most this many in one call. */
const MOST_IN_A_CALL = 500;

/** Does it to all of them and says what came of it; false when it failed. */
export async function actOnMany(action: BulkAction, target: BulkTarget): Promise<boolean> {
	try {
		toastDone(...sentence(action, await sendMany(action, target)));
		return true;
	} catch (error) {
		toastError(BULK[action].failure, error);
		return false;
	} finally {
		void queryClient.invalidateQueries({ queryKey: KEYS.jobs });
	}
}

/** "Cancelled 12 jobs", and in the second line what was left out and why. */
export function sentence(action: BulkAction, sum: BulkSum): [string, { text?: string }] {
	const rest = sum.skipped.map((one) => `${count(one.count, 'job')} left out: ${one.sentence}`);
	if (sum.children > 0) rest.unshift(`${count(sum.children, 'following job')} ended with them.`);
	return [`${BULK[action].done} ${count(sum.done, 'job')}`, { text: rest.join(' ') || undefined }];
}

async function sendMany(action: BulkAction, target: BulkTarget): Promise<BulkSum> {
	const sum: BulkSum = { done: 0, children: 0, skipped: [] };
	for (const call of calls(target)) {
		let remaining = 0;
		do {
			const answer = await ok(api.POST('/api/v1/jobs/bulk', { body: { action, ...call } }));
			sum.done += answer.done;
			sum.children += answer.cancelled_children;
			addSkipped(sum.skipped, answer.skipped);
			// Where nothing could be done the same ones would come again.
			remaining = answer.done > 0 ? answer.remaining : 0;
		} while (remaining > 0);
	}
	return sum;
}

function calls(target: BulkTarget): BulkTarget[] {
	if ('filter' in target) return [target];
	return Array.from({ length: Math.ceil(target.ids.length / MOST_IN_A_CALL) }, (_, part) => ({
		ids: target.ids.slice(part * MOST_IN_A_CALL, (part + 1) * MOST_IN_A_CALL)
	}));
}

function addSkipped(sum: BulkSum['skipped'], more: BulkSum['skipped']): void {
	for (const one of more) {
		const same = sum.find((other) => other.code === one.code);
		if (same) same.count += one.count;
		else sum.push({ ...one });
	}
}
