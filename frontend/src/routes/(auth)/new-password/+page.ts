import { redirect } from '@sveltejs/kit';
import { nextPath } from '#lib/shell/next-path.ts';
import { session } from '#lib/session.svelte.ts';

/** For people who came in with a one-time password. */
export async function load({ url }) {
	await session.load();
	const next = nextPath(url);
	if (!session.user) redirect(307, '/sign-in');
	if (!session.user.must_change_password) redirect(307, next);
	return { next };
}
