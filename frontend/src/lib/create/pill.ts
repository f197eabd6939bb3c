/** The look of a choice in the prompt bar. */
export const PILL_CLASS =
	'flex h-8 max-w-48 shrink-0 items-center gap-1.5 rounded-full bg-s2 px-2.5 text-13 text-ink2 transition-colors ' +
	'hover:bg-s3 hover:text-ink aria-expanded:bg-s3 aria-pressed:bg-s3 aria-pressed:text-ink ' +
	'data-wrong:text-bad pointer-coarse:min-h-11';
