import ChartColumn from '@lucide/svelte/icons/chart-column';
import FolderOpen from '@lucide/svelte/icons/folder-open';
import KeyRound from '@lucide/svelte/icons/key-round';
import LayoutGrid from '@lucide/svelte/icons/layout-grid';
import ListVideo from '@lucide/svelte/icons/list-video';
import SlidersHorizontal from '@lucide/svelte/icons/sliders-horizontal';
import Sparkles from '@lucide/svelte/icons/sparkles';
import type { Component } from 'svelte';

export type Place = {
	href: string;
	label: string;
	icon: Component;
	/** The second letter of its key: `g c`. */
	letter: string;
	isForAdmins?: boolean;
};

/** Where one can go, in the order of the rail. */
export const PLACES: readonly Place[] = [
	{ href: '/create', label: 'Create', icon: Sparkles, letter: 'c' },
	{ href: '/gallery', label: 'Gallery', icon: LayoutGrid, letter: 'g' },
	{ href: '/queue', label: 'Queue', icon: ListVideo, letter: 'q' },
	{ href: '/workspaces', label: 'Workspaces', icon: FolderOpen, letter: 'w' },
	{ href: '/accounts', label: 'Accounts', icon: KeyRound, letter: 'a' },
	{ href: '/admin/users', label: 'Admin', icon: ChartColumn, letter: 'd', isForAdmins: true }
];

export const SETTINGS: Place = {
	href: '/settings/profile',
	label: 'Settings',
	icon: SlidersHorizontal,
	letter: 's'
};

/** Whether a place is where one is: `/admin/usage` is within Admin. */
export function isCurrent(place: Place, path: string): boolean {
	const area = `/${place.href.split('/')[1]}`;
	return path === area || path.startsWith(`${area}/`);
}
