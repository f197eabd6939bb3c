/** The jobs of a list: what an event changes in them, and the order in which they are shown. */
import type { Schema } from '#lib/api/client.ts';
import type { LiveEvent } from '#lib/api/events.svelte.ts';

export type Job = Schema<'JobRead'>;
export type JobGroup = Job['group'];
export type JobState = Job['state'];

/** A job as the page holds it. */
export type HeldJob = {
	job: Job;
	/** When it was read: `eta_s` counts from there. */
	readAt: number;
	/** When it left this list by ending; it is shown a little longer, so that one sees how it ended. */
	endedAt: number | null;
};

/** A job at its place: `depth` jobs of its chain stand above it. */
export type JobRow = HeldJob & { depth: number };

/** The job as an event tells it. What the event does not tell (choices, pictures, place in line) stays as it was. */
export function patchJob(job: Job, event: LiveEvent): Job {
	const data = event.data ?? {};
	switch (event.type) {
		case 'job:progress':
			return { ...job, progress: data.progress as number };
		case 'job:waiting':
			return {
				...job,
				waiting_reason: data.reason as string,
				reason: { ...job.reason, sentence: data.reason as string }
			};
	}
	return { ...job, ...(data.job as Partial<Job> | undefined) };
}

/** Whether only a reading of the job tells all that the event changed. */
export function needsReading(event: LiveEvent): boolean {
	return event.type !== 'job:progress' && event.type !== 'job:waiting';
}

/** What a list holds, by id. Never changed in place: what changes it gives a new one. */
export type Held = ReadonlyMap<string, HeldJob>;

/** With these jobs as they were read now: put in where they belong to the list, else taken out. */
export function withJobs(held: Held, jobs: Job[], group: JobGroup, now: number): Held {
	const next = new Map(held);
	for (const job of jobs) place(next, job, now, group, now);
	return next;
}

/** As the events tell it. */
export function withEvents(held: Held, events: LiveEvent[], group: JobGroup, now: number): Held {
	const next = new Map(held);
	for (const event of events) {
		const one = next.get(event.job_id!);
		if (one) place(next, patchJob(one.job, event), one.readAt, group, now);
	}
	return next;
}

/** Without what ended before a time. */
export function withoutEnded(held: Held, before: number): Held {
	return new Map([...held].filter(([, { endedAt }]) => endedAt === null || endedAt > before));
}

function place(
	held: Map<string, HeldJob>,
	job: Job,
	readAt: number,
	group: JobGroup,
	now: number
): void {
	const one = held.get(job.id);
	if (one?.job.state === 'waiting' && job.state !== 'waiting') closeRanks(held, one.job);
	if (job.group === group) held.set(job.id, { job, readAt, endedAt: null });
	else if (one && group === 'active' && job.finished_at)
		held.set(job.id, { job, readAt, endedAt: one.endedAt ?? now });
	else held.delete(job.id);
}

/** One has left the line: those behind it move up. No event tells them so. */
function closeRanks(held: Map<string, HeldJob>, left: Job): void {
	const place = left.queue_position;
	if (place === null) return;
	for (const [id, one] of held) {
		const { job } = one;
		if (job.provider_id === left.provider_id && (job.queue_position ?? 0) > place)
			held.set(id, { ...one, job: { ...job, queue_position: job.queue_position! - 1 } });
	}
}

/** What needs eyes first, then what is under way or just ended, then what waits. */
function rank({ job, endedAt }: HeldJob): number {
	if (job.state === 'attention') return 0;
	if (endedAt !== null) return 1;
	return job.state === 'running' || job.state === 'sending' ? 1 : 2;
}

function byAge(a: HeldJob, b: HeldJob): number {
	if (a.job.created_at !== b.job.created_at) return a.job.created_at < b.job.created_at ? 1 : -1;
	return a.job.id < b.job.id ? 1 : -1;
}

/** By their place in line; what has none comes after. */
function byLine(a: HeldJob, b: HeldJob): number {
	return (a.job.queue_position ?? Infinity) - (b.job.queue_position ?? Infinity) || 0;
}

/**
 * By rank, then newest first, and every job under the one that it follows. A whole list has what waits in the order
 * of its line; while more is to come, that would put later pages above what is being looked at.
 */
export function arrange(held: Iterable<HeldJob>, isWhole: boolean): JobRow[] {
	const all = [...held];
	const ids = new Set(all.map(({ job }) => job.id));
	const followers = new Map<string | null, HeldJob[]>();
	const compare = (a: HeldJob, b: HeldJob) =>
		rank(a) - rank(b) || (isWhole ? byLine(a, b) : 0) || byAge(a, b);
	for (const one of all.sort(compare)) {
		const { parent_job_id } = one.job;
		const parent = parent_job_id && ids.has(parent_job_id) ? parent_job_id : null;
		const siblings = followers.get(parent);
		if (siblings) siblings.push(one);
		else followers.set(parent, [one]);
	}
	const rows: JobRow[] = [];
	const put = (parent: string | null, depth: number) => {
		for (const one of followers.get(parent) ?? []) {
			rows.push({ ...one, depth });
			put(one.job.id, depth + 1);
		}
	};
	put(null, 0);
	return rows;
}
