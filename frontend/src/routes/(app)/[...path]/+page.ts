import { error } from '@sveltejs/kit';

/** Any path that no page has: the error page inside the frame. */
export function load() {
	error(404, 'Not found');
}
