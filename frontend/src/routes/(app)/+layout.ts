import { redirect } from '@sveltejs/kit';
import { session } from '#lib/session.svelte.ts';

/** Signed-in people only; everybody else is sent to sign in and back. */
export async function load({ url }) {
	await session.load();
	if (session.presence?.needs_setup) redirect(307, '/setup');
	const next = encodeURIComponent(url.pathname + url.search);
	if (!session.user) redirect(307, `/sign-in?next=${next}`);
	if (session.user.must_change_password) redirect(307, `/new-password?next=${next}`);
}
