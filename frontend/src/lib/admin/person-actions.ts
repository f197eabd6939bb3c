import { api, ok } from '#lib/api/client.ts';
import { confirm } from '#lib/ui/confirm.svelte.ts';
import { toastDone, toastError } from '#lib/ui/toasts.ts';
import { refreshPeople, type Person } from './people.ts';

/** A one-time password; all sessions and tokens of the person end. Raises ApiError. */
export async function resetPassword(id: string): Promise<string> {
	const { password } = await ok(
		api.POST('/api/v1/users/{user_id}/reset-password', { params: { path: { user_id: id } } })
	);
	return password;
}

/** Asks first. Null: it was not meant, or it failed and was said. */
export async function askAndResetPassword(person: Person): Promise<string | null> {
	const isMeant = await confirm({
		title: `Reset the password of ${person.username}?`,
		text: 'They are signed out everywhere and their API tokens end. You get a one-time password to hand over.',
		action: 'Reset password',
		isDanger: true
	});
	if (!isMeant) return null;
	try {
		return await resetPassword(person.id);
	} catch (error) {
		toastError(`The password of ${person.username} is unchanged`, error);
		return null;
	}
}

/** Shuts out or lets in again. */
export async function setActive(person: Person, isActive: boolean) {
	if (!isActive) {
		const isMeant = await confirm({
			title: `Disable ${person.username}?`,
			text: 'They are signed out everywhere at once. What they made stays, and you can enable them again.',
			action: 'Disable',
			isDanger: true
		});
		if (!isMeant) return;
	}
	try {
		await ok(
			api.PATCH('/api/v1/users/{user_id}', {
				params: { path: { user_id: person.id } },
				body: { is_active: isActive }
			})
		);
		await refreshPeople();
		toastDone(`${person.username} is ${isActive ? 'enabled' : 'disabled'}`);
	} catch (error) {
		toastError(`${person.username} could not be changed`, error);
	}
}
