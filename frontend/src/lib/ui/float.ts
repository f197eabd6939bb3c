/** The look of what floats over the page: menus, popovers, lists of choices. */
export const FLOAT_CLASS =
	'anim-float z-50 rounded-menu border border-line2 bg-s1 text-ink shadow-float outline-none';

export const ITEM_CLASS =
	'flex min-h-8 w-full cursor-pointer items-center gap-2.5 rounded-small px-2 py-1 text-left text-13 ' +
	'outline-none select-none data-highlighted:bg-s3 data-disabled:cursor-not-allowed data-disabled:text-ink3 ' +
	'pointer-coarse:min-h-11';
