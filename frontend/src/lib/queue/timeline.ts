/** The story of a job, from its events. */
import type { Schema } from '#lib/api/client.ts';
import { credits, duration, percent } from '#lib/format.ts';
import type { Tone } from '#lib/ui/tone.ts';

export type JobEvent = Schema<'EventRead'>;

export type Entry = {
	id: number;
	at: string;
	title: string;
	/** What more there is to say, or nothing. */
	text: string;
	tone: Tone;
};

type Words = { title: string; tone?: Tone; text?: (data: Data, nameOf: NameOf) => string };
type Data = Record<string, unknown> & { account_id?: string | null };
/** An account's name by its id. */
type NameOf = (id: string | null | undefined) => string;

const said = (data: Data): string => String(data.message ?? data.reason ?? '');
const cost = (data: Data): string =>
	Number(data.credits) > 0 ? credits(Number(data.credits)) : '';
const joined = (...parts: string[]): string => parts.filter(Boolean).join(', ');

/** Types that are not here say nothing new: they come together with one that is. */
const WORDS: Record<string, Words> = {
	'job:created': { title: 'Accepted' },
	'job:waiting': { title: 'Waiting', text: said },
	'account:selected': {
		title: 'Account reserved',
		text: (data, nameOf) => joined(nameOf(data.account_id), cost(data) && `${cost(data)} held`)
	},
	'provider:submitted': { title: 'Taken by the provider', tone: 'accent' },
	'provider:refused': { title: 'Refused by the provider', tone: 'bad', text: said },
	'provider:in_doubt': {
		title: 'The answer was lost',
		tone: 'warn',
		text: () => 'It is being found out whether the provider took it. Nothing is sent twice.'
	},
	'job:progress': {
		title: 'Under way',
		tone: 'accent',
		text: (data) => percent(Math.round(Number(data.progress) * 100) / 100)
	},
	'provider:completed': {
		title: 'Made',
		tone: 'ok',
		text: (data) => cost(data) && `${cost(data)} charged`
	},
	'provider:failed': { title: 'The provider failed it', tone: 'bad', text: said },
	'job:retrying': {
		title: 'Another attempt follows',
		text: (data) =>
			joined(Number(data.delay_s) > 0 ? `in ${duration(Number(data.delay_s))}` : '', said(data))
	},
	'job:attention': { title: 'Needs a decision', tone: 'warn', text: said },
	'job:completed': { title: 'Done', tone: 'ok' },
	'job:failed': { title: 'Failed', tone: 'bad', text: said },
	'job:cancelled': {
		title: 'Cancelled',
		text: (data) => (data.by === 'parent' ? 'with the job that it follows' : '')
	},
	'asset:downloaded': { title: 'Saved in the library' },
	'asset:derived': { title: 'Previews ready' },
	'asset:failed': { title: 'The result could not be fetched', tone: 'bad', text: said }
};

function wordsOf(event: JobEvent): Words | undefined {
	if (event.type !== 'job:updated') return WORDS[event.type];
	const { is_paused, waits_for_parent, changed } = event.data;
	if (is_paused === true) return { title: 'Paused', tone: 'warn' };
	if (is_paused === false) return { title: 'Resumed' };
	if (waits_for_parent === false) return { title: 'The job before it is done' };
	return { title: 'Changed', text: () => (Array.isArray(changed) ? changed.join(', ') : '') };
}

/** Entries in order of time; of reports of the same kind in a row the last one stands for all. */
export function timelineOf(events: JobEvent[], nameOf: NameOf): Entry[] {
	const entries: Entry[] = [];
	for (const event of events) {
		const words = wordsOf(event);
		if (!words) continue;
		const { title, tone = 'neutral', text } = words;
		if (entries.at(-1)?.title === title && title !== 'Account reserved') entries.pop();
		entries.push({
			id: event.id,
			at: event.created_at,
			title,
			tone,
			text: text?.({ ...event.data, account_id: event.account_id }, nameOf) ?? ''
		});
	}
	return entries;
}
