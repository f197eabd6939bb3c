import { SvelteSet } from 'svelte/reactivity';
import { api, ok, toApiError } from '#lib/api/client.ts';
import { queryClient } from '#lib/api/query-client.ts';
import { KEYS } from '#lib/api/queries.ts';
import { count, credits } from '#lib/format.ts';
import { confirm } from '#lib/ui/confirm.svelte.ts';
import { toastDone, toastError } from '#lib/ui/toasts.ts';
import { accountsQuery, type Account } from './accounts.ts';

/** The accounts that are being tested. */
export const testing = new SvelteSet<string>();

export async function refreshAccounts() {
	await queryClient.invalidateQueries({ queryKey: KEYS.accounts });
}

function at(account: Account) {
	return { params: { path: { account_id: account.id } } };
}

async function look(account: Account) {
	testing.add(account.id);
	try {
		return await ok(api.POST('/api/v1/accounts/{account_id}/test', at(account)));
	} finally {
		testing.delete(account.id);
	}
}

/** Asks the provider whether the key works; the state of the account follows what it says. */
export async function testAccount(account: Account) {
	try {
		const { ok: isFine, message, credits: left } = await look(account);
		if (!isFine) toastError(`${account.name} failed its test`, new Error(message));
		else
			toastDone(`${account.name} works`, {
				text: left === null ? message : `${credits(left)} left`
			});
	} catch (error) {
		toastError(`${account.name} could not be tested`, error);
	}
	await refreshAccounts();
}

/** One after the other: providers count requests. */
export async function testAll(accounts: Account[]) {
	const failed: string[] = [];
	for (const account of accounts) {
		try {
			if (!(await look(account)).ok) failed.push(account.name);
		} catch (error) {
			failed.push(`${account.name} (${toApiError(error).detail})`);
		}
	}
	await refreshAccounts();
	if (failed.length === 0) toastDone(`${count(accounts.length, 'account')} tested, all work`);
	else
		toastError(
			`${failed.length} of ${count(accounts.length, 'account')} failed`,
			new Error(failed.join(', '))
		);
}

/** In or out of service; what runs on it goes on. */
export async function setEnabled(account: Account, isEnabled: boolean) {
	try {
		await ok(
			api.PATCH('/api/v1/accounts/{account_id}', {
				...at(account),
				body: { is_enabled: isEnabled }
			})
		);
		await refreshAccounts();
		if (isEnabled) toastDone(`${account.name} is back in service`);
		else
			toastDone(`${account.name} is paused`, {
				text: 'What runs on it goes on; it takes nothing new.',
				undo: () => void setEnabled(account, true)
			});
	} catch (error) {
		toastError(`${account.name} could not be changed`, error);
	}
}

/** Asks, removes, and tells whether it is gone. */
export async function removeAccount(account: Account): Promise<boolean> {
	const isMeant = await confirm({
		title: `Remove ${account.name}?`,
		text: 'Its key is deleted here. What it made and what it cost stay in the history.',
		action: 'Remove account',
		isDanger: true
	});
	if (!isMeant) return false;
	try {
		await ok(api.DELETE('/api/v1/accounts/{account_id}', at(account)));
		toastDone(`${account.name} is removed`);
		await queryClient.invalidateQueries({ queryKey: accountsQuery().queryKey });
		return true;
	} catch (error) {
		toastError(`${account.name} could not be removed`, error);
		return false;
	}
}
