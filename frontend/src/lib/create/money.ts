import { credits } from '#lib/format.ts';
import type { Job } from './batches.ts';

/** What became of the credits of a job that made nothing: a sentence, or nothing to say. */
export function moneyBack(job: Pick<Job, 'returned_credits' | 'charged_credits'>): string {
	if (job.charged_credits > 0) return `${capital(credits(job.charged_credits))} charged.`;
	if (job.returned_credits > 0) return `${capital(credits(job.returned_credits))} returned.`;
	return '';
}

function capital(text: string): string {
	return text.charAt(0).toUpperCase() + text.slice(1);
}
