import { redirect } from '@sveltejs/kit';
import { session } from '#lib/session.svelte.ts';

/** Signed-in people only; everybody else is sent to sign in and back. */
export async function load({ url }) {
	await session.load();
	if (!session.user)
		redirect(307, `/sign-in?next=${encodeURIComponent(url.pathname + url.search)}`);
}
