/** The look of everything that is typed into or chosen from. */
export const INPUT_CLASS =
	'w-full rounded-control border border-field bg-s2 px-2.5 text-13 text-ink placeholder:text-ink3 ' +
	'transition-colors hover:border-ink3 focus-visible:border-accent focus-visible:outline-accent ' +
	'aria-invalid:border-bad disabled:cursor-not-allowed disabled:text-ink3 pointer-coarse:text-16';
