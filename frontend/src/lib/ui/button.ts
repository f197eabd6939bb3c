import type { HTMLAttributes } from 'svelte/elements';

/** What Button and IconButton take besides their own: of a button, or with `href` of a link. */
export type ButtonAttributes = Omit<
	HTMLAttributes<HTMLElement>,
	'children' | 'class' | 'onclick'
> & {
	href?: string;
	target?: string;
	rel?: string;
	download?: string | boolean;
	form?: string;
	class?: string;
	onclick?: (event: MouseEvent) => void;
	/** Why it cannot be used now; it stays focusable and says so. */
	reason?: string | null;
	[data: `data-${string}`]: unknown;
};

/** The looks of buttons, also for things that only look like one (a menu's trigger, a label). */
export type ButtonVariant = 'solid' | 'soft' | 'ghost' | 'outline' | 'danger';
export type ButtonSize = 'sm' | 'md' | 'lg';

const BASE =
	'inline-flex shrink-0 items-center justify-center gap-1.5 rounded-control font-medium whitespace-nowrap ' +
	'select-none transition-colors disabled:cursor-not-allowed disabled:text-ink3 ' +
	'aria-disabled:cursor-not-allowed pointer-coarse:min-h-11';

const VARIANTS: Record<ButtonVariant, string> = {
	solid: 'bg-solid text-on-solid hover:bg-solid/88 aria-disabled:bg-s3 aria-disabled:text-ink3',
	soft: 'bg-s2 text-ink hover:bg-s3 aria-disabled:bg-s2 aria-disabled:text-ink3',
	ghost: 'text-ink2 hover:bg-s2 hover:text-ink aria-disabled:text-ink3',
	outline: 'border border-line2 text-ink hover:bg-s2 aria-disabled:text-ink3',
	danger: 'bg-bad text-canvas hover:bg-bad/85 aria-disabled:bg-s3 aria-disabled:text-ink3'
};

const SIZES: Record<ButtonSize, string> = {
	sm: 'h-7 px-2.5 text-12',
	md: 'h-8 px-3 text-13',
	lg: 'h-10 px-4 text-14'
};

const ICON_SIZES: Record<ButtonSize, string> = {
	sm: 'size-7',
	md: 'size-8',
	lg: 'size-10'
};

export function buttonClass(variant: ButtonVariant, size: ButtonSize): string {
	return `${BASE} ${VARIANTS[variant]} ${SIZES[size]}`;
}

export function iconButtonClass(variant: ButtonVariant, size: ButtonSize): string {
	return `${BASE} pointer-coarse:min-w-11 ${VARIANTS[variant]} ${ICON_SIZES[size]}`;
}
