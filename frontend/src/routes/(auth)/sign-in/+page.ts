import { redirect } from '@sveltejs/kit';
import { nextPath } from '#lib/shell/next-path.ts';
import { session } from '#lib/session.svelte.ts';

/** Whoever is signed in already goes on at once. */
export async function load({ url }) {
	await session.load();
	if (session.presence?.needs_setup) redirect(307, '/setup');
	const next = nextPath(url);
	if (session.user && !session.hasEnded) redirect(307, next);
	return { next };
}
