/** What a person may do with jobs; each gives the jobs as they are afterwards. */
import { api, ok, type Schema } from '#lib/api/client.ts';
import { count } from '#lib/format.ts';
import { steer } from '#lib/queue/steer.ts';
import { confirm } from '#lib/ui/confirm.svelte.ts';
import { toastDone, toastError } from '#lib/ui/toasts.ts';
import type { Batch, Job } from './batches.ts';
import type { JobStream } from './job-stream.svelte.ts';

export type Choice = Job['choices'][number];

/** What each choice is called on a button. */
export const CHOICE_LABELS: Record<Choice, string> = {
	cancel: 'Cancel',
	pause: 'Pause',
	resume: 'Resume',
	to_front: 'To the front',
	retry: 'Retry',
	retry_second_charge: 'Retry, and pay twice if need be',
	dismiss: 'Leave it'
};

export async function act(stream: JobStream, job: Job, choice: Choice): Promise<void> {
	if (choice === 'cancel' && job.child_ids.length > 0 && !(await mayCancelChildren(job))) return;
	try {
		stream.put([await steer(job.id, choice)]);
	} catch (error) {
		toastError(`${CHOICE_LABELS[choice]}: not done`, error);
	}
}

function mayCancelChildren(job: Job): Promise<boolean> {
	return confirm({
		title: 'Cancel what follows too?',
		text: `${count(job.child_ids.length, 'job')} would start when this one is done, and cannot without it.`,
		action: 'Cancel all',
		isDanger: true
	});
}

type BulkAction = Schema<'BulkChange'>['action'];

/** Does one thing to all jobs of a batch that it fits. */
export async function actOnBatch(
	stream: JobStream,
	batch: Batch,
	action: BulkAction,
	done: (jobs: number) => string
): Promise<void> {
	const ids = batch.jobs.filter(({ choices }) => choices.includes(action)).map(({ id }) => id);
	try {
		const result = await ok(api.POST('/api/v1/jobs/bulk', { body: { action, ids } }));
		const params = { query: { batch_id: batch.id, limit: 100 } };
		stream.put((await ok(api.GET('/api/v1/jobs', { params }))).items);
		toastDone(done(result.done));
	} catch (error) {
		toastError('Not done', error);
	}
}
