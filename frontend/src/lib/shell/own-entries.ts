import Keyboard from '@lucide/svelte/icons/keyboard';
import LogOut from '@lucide/svelte/icons/log-out';
import Moon from '@lucide/svelte/icons/moon';
import Sun from '@lucide/svelte/icons/sun';
import { session } from '#lib/session.svelte.ts';
import { appearance } from '#lib/theme.svelte.ts';
import type { MenuEntry } from '#lib/ui/menu.ts';
import { toastError } from '#lib/ui/toasts.ts';
import { shell } from './shell.svelte.ts';

/** The end of the user menu, of "More" on a phone, and of the palette. */
export function ownEntries(): MenuEntry[] {
	const isDark = appearance.resolvedTheme === 'dark';
	return [
		{
			label: isDark ? 'Light theme' : 'Dark theme',
			icon: isDark ? Sun : Moon,
			onselect: () => (appearance.theme = isDark ? 'light' : 'dark')
		},
		{ label: 'Keys', icon: Keyboard, keys: '?', onselect: () => (shell.areKeysShown = true) },
		{ label: 'Sign out', icon: LogOut, onselect: () => void signOut() }
	];
}

async function signOut() {
	try {
		await session.signOut();
	} catch (error) {
		toastError('You are still signed in', error);
	}
}
