import { beforeNavigate } from '$app/navigation';
import { updated } from '$app/state';
import { events } from '#lib/api/live.ts';
import { toastOffer } from '#lib/ui/toasts.ts';

const RELOADED = 'pixsim7:reloaded-for-chunk';

/** For the root layout: offers a new version when one was installed, and loads it at the latest
 * with the next page. */
export function watchVersion() {
	async function check() {
		if (document.visibilityState !== 'visible') return;
		if (await updated.check())
			toastOffer('version', 'A new version is ready', 'Reload', () => location.reload());
	}

	beforeNavigate(({ willUnload, to }) => {
		if (updated.current && !willUnload && to?.url) location.href = to.url.href;
	});

	let wasAway = false;
	let lacksPart = false;
	$effect(() => {
		if (wasAway && !events.isAway) {
			// A server that comes back may be a newer one.
			void check();
			if (lacksPart) void reloadOnce();
		}
		wasAway = events.isAway;
	});

	$effect(() => {
		const stopping = new AbortController();
		const { signal } = stopping;
		document.addEventListener('visibilitychange', () => void check(), { signal });
		const onLack = () => {
			lacksPart = true;
			void reloadOnce();
		};
		addEventListener('vite:preloadError', onLack, { signal });
		return () => stopping.abort();
	});
}

/** A part of the app could not be loaded: an old page after an update, or the server is away. Never
 * in a circle, and only once the server answers: the open page is worth more than an error page. */
async function reloadOnce() {
	if (sessionStorage.getItem(RELOADED) === location.href || !(await isServerThere())) return;
	sessionStorage.setItem(RELOADED, location.href);
	location.reload();
}

async function isServerThere(): Promise<boolean> {
	try {
		return (await fetch('/health/live', { cache: 'no-store' })).ok;
	} catch {
		return false;
	}
}
