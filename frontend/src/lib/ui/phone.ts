import { MediaQuery } from 'svelte/reactivity';

/** Under 640 px: menus, popovers and panels become bottom sheets, tables become cards. */
export const phone = new MediaQuery('max-width: 639.98px');
