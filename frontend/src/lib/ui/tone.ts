/** What a colour says; always beside a word or an icon. */
export type Tone = 'neutral' | 'accent' | 'ok' | 'warn' | 'bad';

export const TEXT_TONE: Record<Tone, string> = {
	neutral: 'text-ink2',
	accent: 'text-accent',
	ok: 'text-ok',
	warn: 'text-warn',
	bad: 'text-bad'
};

export const FILL_TONE: Record<Tone, string> = {
	neutral: 'bg-ink2',
	accent: 'bg-accent',
	ok: 'bg-ok',
	warn: 'bg-warn',
	bad: 'bg-bad'
};
