import { api, ok, refreshSession, setSessionEndedHandler, type Schema } from './api/client.ts';
import { events } from './api/live.ts';
import { queryClient } from './api/query-client.ts';

/** Who was here last: tells a stranger's first visit from a session to renew, and tells other tabs. */
const LAST_USER = 'pixsim7:user';

class Session {
	user = $state<Schema<'UserRead'> | null>(null);
	presence = $state<Schema<'Presence'> | null>(null);
	/** The session ended under an open page: it is kept, and a dialog asks to sign in again. */
	hasEnded = $state(false);

	isAdmin = $derived(this.user?.role === 'admin');

	/** Asks once who is here, renewing a session whose access cookie has run out. */
	async load(): Promise<void> {
		if (this.presence) return;
		let presence = await ok(api.GET('/api/v1/auth/presence'));
		if (!presence.user && localStorage.getItem(LAST_USER) && (await refreshSession()))
			presence = await ok(api.GET('/api/v1/auth/presence'));
		this.presence = presence;
		if (presence.user) this.#begin(presence.user);
		else localStorage.removeItem(LAST_USER);
	}

	/** Raises ApiError: wrong password, or locked for `retry_after` seconds. */
	async signIn(name: string, password: string): Promise<void> {
		const { user } = await ok(
			api.POST('/api/v1/auth/login', { body: { email: name, password, cookie: true } })
		);
		const isAnother = this.user !== null && this.user.id !== user.id;
		this.#begin(user);
		// Another person must not see what is still on the page.
		if (isAnother) location.reload();
		else await queryClient.invalidateQueries();
	}

	/** The first administrator of a fresh server. Raises ApiError: refused, or done already. */
	async setUp(body: Schema<'Setup'>): Promise<void> {
		const { user } = await ok(api.POST('/api/v1/auth/setup', { body }));
		this.presence = await ok(api.GET('/api/v1/auth/presence'));
		this.#begin(user);
	}

	/** Raises ApiError. All other sessions and all API tokens end. */
	async changePassword(current: string, next: string): Promise<void> {
		const body = { current_password: current, new_password: next };
		await ok(api.POST('/api/v1/auth/password', { body }));
		this.#begin(await ok(api.GET('/api/v1/auth/me')));
	}

	/** Ends the session; leaves for the sign-in page, so nothing of it stays in memory. */
	async signOut(): Promise<void> {
		await ok(api.POST('/api/v1/auth/logout'));
		events.stop();
		localStorage.removeItem(LAST_USER);
		location.assign('/sign-in');
	}

	/** Reads oneself anew: quotas, counts, role. */
	async refreshUser(): Promise<void> {
		this.user = await ok(api.GET('/api/v1/auth/me'));
	}

	end() {
		if (!this.user) return;
		events.stop();
		this.hasEnded = true;
	}

	#begin(user: Schema<'UserRead'>) {
		this.user = user;
		this.hasEnded = false;
		localStorage.setItem(LAST_USER, user.id);
		// With a one-time password nothing else is open yet.
		if (!user.must_change_password) events.start();
	}
}

export const session = new Session();

setSessionEndedHandler(() => session.end());
events.on('user:updated', () => void session.refreshUser());
addEventListener('storage', (event) => {
	// Another tab signed out, or signed in as somebody else.
	if (event.key === LAST_USER && session.user && event.newValue !== session.user.id)
		location.reload();
});
