/** The stream of Create: jobs gathered into the runs that they were submitted in. */
import type { InfiniteData } from '@tanstack/svelte-query';
import type { Schema } from '#lib/api/client.ts';
import type { LiveEvent } from '#lib/api/events.svelte.ts';

export type Job = Schema<'JobRead'>;
export type JobPages = InfiniteData<Schema<'JobPage'>, string | null>;

/** What was submitted together. */
export type Batch = {
	/** Of the batch, or of the only job. */
	id: string;
	/** As they were asked for. */
	jobs: Job[];
	created_at: string;
};

/** A day's batches, newest first. */
export type Day = { date: string; batches: Batch[] };

/** Jobs by batch, newest batch first; jobs of a batch in the order of asking (ids grow in time). */
export function gather(jobs: readonly Job[]): Batch[] {
	const batches = new Map<string, Batch>();
	for (const job of jobs) {
		const id = job.batch_id ?? job.id;
		const batch = batches.get(id);
		if (batch) batch.jobs.push(job);
		else batches.set(id, { id, jobs: [job], created_at: job.created_at });
	}
	for (const batch of batches.values())
		batch.jobs.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
	return [...batches.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
}

/** Batches under the person's own days. */
export function byDay(batches: readonly Batch[]): Day[] {
	const days: Day[] = [];
	for (const batch of batches) {
		const date = new Date(batch.created_at).toDateString();
		if (days.at(-1)?.date === date) days.at(-1)!.batches.push(batch);
		else days.push({ date, batches: [batch] });
	}
	return days;
}

/** The pages with these jobs in place of what they hold of them; new ones go first. */
export function withJobs(pages: JobPages | undefined, jobs: readonly Job[]): JobPages | undefined {
	if (!pages) return pages;
	const news = new Map(jobs.map((job) => [job.id, job]));
	const replaced = pages.pages.map((page) => ({
		...page,
		items: page.items.map((job) => {
			const current = news.get(job.id);
			news.delete(job.id);
			return current ?? job;
		})
	}));
	const [first, ...rest] = replaced;
	if (!first || news.size === 0) return { ...pages, pages: replaced };
	return { ...pages, pages: [{ ...first, items: [...news.values(), ...first.items] }, ...rest] };
}

/** The pages after events: each changes what it says about its job. */
export function withEvents(
	pages: JobPages | undefined,
	events: readonly LiveEvent[]
): JobPages | undefined {
	if (!pages) return pages;
	const changes = new Map<string, Partial<Job>>();
	for (const event of events) {
		if (!event.job_id) continue;
		changes.set(event.job_id, { ...changes.get(event.job_id), ...changesOf(event) });
	}
	return {
		...pages,
		pages: pages.pages.map((page) => ({
			...page,
			items: page.items.map((job) => {
				const change = changes.get(job.id);
				return change ? { ...job, ...change } : job;
			})
		}))
	};
}

function changesOf({ type, data = {} }: LiveEvent): Partial<Job> {
	if (type === 'job:progress') return { progress: data.progress as number | null };
	if (type === 'job:waiting' && typeof data.reason === 'string')
		return { waiting_reason: data.reason, reason: { code: 'waiting', sentence: data.reason } };
	return (data.job as Partial<Job> | undefined) ?? {};
}

/** The shape that was asked for, so that a tile never moves when its picture comes. */
export function ratioOf(job: Job): number {
	const asked = /^(\d+):(\d+)$/.exec(String(job.params.aspect_ratio ?? ''));
	if (asked) return Number(asked[1]) / Number(asked[2]);
	const known = job.thumb?.width ? job.thumb : job.input_thumb;
	return known?.width && known.height ? known.width / known.height : 16 / 9;
}

/** How many tiles stand side by side: wide ones are few, tall ones many. */
export function columnsOf(ratio: number, jobs: number): { desktop: number; phone: number } {
	const [least, most] = ratio > 1.2 ? [2, 4] : ratio > 0.8 ? [3, 5] : [4, 6];
	return { desktop: Math.min(most, Math.max(least, jobs)), phone: ratio > 0.8 ? 2 : 3 };
}
