import { redirect } from '@sveltejs/kit';
import { session } from '#lib/session.svelte.ts';

/** Only while the server has nobody yet; its last steps are for whom the first one added. */
export async function load() {
	await session.load();
	if (!session.presence?.needs_setup) redirect(307, '/create');
}
