/** Jobs in words: what a person reads of their state, time and cost. */
import { ago, count, credits, duration, moment, number } from '#lib/format.ts';
import type { Tone } from '#lib/ui/tone.ts';
import type { HeldJob, Job, JobState } from './jobs.ts';

export const STATES: Record<JobState, { word: string; tone: Tone }> = {
	scheduled: { word: 'Scheduled', tone: 'neutral' },
	waiting: { word: 'Waiting', tone: 'neutral' },
	paused: { word: 'Paused', tone: 'warn' },
	sending: { word: 'Sending', tone: 'accent' },
	running: { word: 'Running', tone: 'accent' },
	attention: { word: 'Needs a decision', tone: 'warn' },
	completed: { word: 'Done', tone: 'ok' },
	failed: { word: 'Failed', tone: 'bad' },
	cancelled: { word: 'Cancelled', tone: 'neutral' }
};

/** The end of an id, enough to tell jobs apart by eye: "#9F31". */
export function shortId(id: string): string {
	return `#${id.slice(-4).toUpperCase()}`;
}

/** "text_to_video" is "Text to video". */
export function operationName(type: string): string {
	const words = type.replaceAll('_', ' ');
	return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What the job is called: its name, its prompt, or what it does. */
export function titleOf(job: Job): string {
	return job.name || job.prompt || operationName(job.operation_type);
}

/** Who makes it: "PixVerse v5.5". */
export function makerOf(job: Job): string {
	return [job.provider_name, job.model].filter(Boolean).join(' ');
}

/** The settings that tell jobs apart: "5 s, 720p". */
export function settingsOf(job: Job): string {
	const { duration: length, quality } = job.params;
	return [typeof length === 'number' && `${length} s`, typeof quality === 'string' && quality]
		.filter(Boolean)
		.join(', ');
}

const PLACES = new Intl.PluralRules('en', { type: 'ordinal' });
const ENDINGS = { one: 'st', two: 'nd', few: 'rd', other: 'th', many: 'th', zero: 'th' };

/** "1st", "2nd", "13th" */
export function ordinal(value: number): string {
	return `${number(value)}${ENDINGS[PLACES.select(value)]}`;
}

/** Why the job is where it is, in a sentence or two. */
export function reasonOf(job: Job): string {
	switch (job.state) {
		case 'scheduled':
			return `Starts ${moment(job.scheduled_at ?? job.available_at)}`;
		case 'waiting':
			return waitingReason(job);
		case 'running':
			return [
				job.account && `On ${job.account.name}`,
				job.attempts > 1 && `attempt ${job.attempts}`
			]
				.filter(Boolean)
				.join(', ');
		case 'completed':
			return resultOf(job);
		default:
			return job.reason.sentence;
	}
}

function waitingReason(job: Job): string {
	if (job.waits_for_parent && job.parent_job_id)
		return `Starts when ${shortId(job.parent_job_id)} is done`;
	const place = job.queue_position === null ? '' : `${ordinal(job.queue_position)} in line. `;
	return place + job.reason.sentence;
}

function resultOf(job: Job): string {
	// An event tells the end before the results are read.
	const results = job.asset_ids.length > 0 ? count(job.asset_ids.length, 'result') : 'Made';
	if (!job.started_at || !job.finished_at) return results;
	const seconds = (Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000;
	return `${results} in ${duration(seconds)}`;
}

/** What an ended job gave back or cost: "90 credits back"; nothing to say of a free one. */
export function costOf(job: Job): string {
	if (!job.finished_at) return '';
	if (job.returned_credits > 0) return `${credits(job.returned_credits)} back`;
	if (job.charged_credits > 0) return `${credits(job.charged_credits)}`;
	return '';
}

/** How long it still takes, or how long ago it ended. */
export function timeOf({ job, readAt }: HeldJob, now: number): string {
	if (job.finished_at) return ago(job.finished_at, new Date(now));
	if (job.eta_s === null) return '';
	const left = job.eta_s - (now - readAt) / 1000;
	if (job.state !== 'running') return `about ${duration(rough(left))}`;
	return left < 1 ? 'any moment' : `${duration(left)} left`;
}

/** A guess is told in whole tens of seconds, or minutes: it would be wrong to the second. */
function rough(seconds: number): number {
	const step = seconds < 60 ? 10 : 60;
	return Math.max(step, Math.round(seconds / step) * step);
}
