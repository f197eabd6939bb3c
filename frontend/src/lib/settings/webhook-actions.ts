import { api, ok } from '#lib/api/client.ts';
import { queryClient } from '#lib/api/query-client.ts';
import { confirm } from '#lib/ui/confirm.svelte.ts';
import { toastDone, toastError } from '#lib/ui/toasts.ts';
import { refreshWebhooks, webhooksQuery, type Delivery, type Webhook } from './webhooks.ts';

function at(webhook: Webhook) {
	return { params: { path: { webhook_id: webhook.id } } };
}

export async function setEnabled(webhook: Webhook, isEnabled: boolean) {
	try {
		await ok(
			api.PATCH('/api/v1/webhooks/{webhook_id}', {
				...at(webhook),
				body: { is_enabled: isEnabled }
			})
		);
		toastDone(isEnabled ? 'The webhook is on' : 'The webhook is off');
	} catch (error) {
		toastError('The webhook could not be changed', error);
	}
	await refreshWebhooks();
}

export async function sendTest(webhook: Webhook) {
	try {
		await ok(api.POST('/api/v1/webhooks/{webhook_id}/test', at(webhook)));
		toastDone('A test event is on its way');
	} catch (error) {
		toastError('The test could not be sent', error);
	}
	await refreshWebhooks();
}

export async function replay(webhook: Webhook, delivery: Delivery) {
	try {
		await ok(
			api.POST('/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay', {
				params: { path: { webhook_id: webhook.id, delivery_id: delivery.id } }
			})
		);
		toastDone('It is sent again');
	} catch (error) {
		toastError('It could not be sent again', error);
	}
	await refreshWebhooks();
}

/** A new secret; the old one signs too for a day. Null: it was not meant, or it failed and was said. */
export async function rotateSecret(webhook: Webhook): Promise<string | null> {
	const isMeant = await confirm({
		title: 'Make a new secret?',
		text: 'For 24 hours both secrets sign, so that you can change it at the receiver without a gap.',
		action: 'New secret'
	});
	if (!isMeant) return null;
	try {
		const { secret } = await ok(
			api.POST('/api/v1/webhooks/{webhook_id}/secret', { ...at(webhook), body: {} })
		);
		await refreshWebhooks();
		return secret;
	} catch (error) {
		toastError('The secret is unchanged', error);
		return null;
	}
}

/** Asks, deletes, and tells whether it is gone. */
export async function deleteWebhook(webhook: Webhook): Promise<boolean> {
	const isMeant = await confirm({
		title: 'Delete this webhook?',
		text: `Nothing more is sent to ${webhook.url}. What waits is dropped.`,
		action: 'Delete webhook',
		isDanger: true
	});
	if (!isMeant) return false;
	try {
		await ok(api.DELETE('/api/v1/webhooks/{webhook_id}', at(webhook)));
		toastDone('The webhook is deleted');
		// The list alone: to ask for the deleted one again would only fail.
		await queryClient.invalidateQueries({ queryKey: webhooksQuery().queryKey });
		return true;
	} catch (error) {
		toastError('The webhook could not be deleted', error);
		return false;
	}
}
