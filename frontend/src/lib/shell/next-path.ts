/** Where to go after signing in: the `next` of the address if it is a path of ours, else Create. */
export function nextPath(url: URL): string {
	const next = new URL(url.searchParams.get('next') || '/create', url.origin);
	const isOurs = next.origin === url.origin && !next.pathname.startsWith('//');
	return isOurs ? next.pathname + next.search + next.hash : '/create';
}
