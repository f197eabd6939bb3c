import { infiniteQueryOptions, queryOptions } from '@tanstack/svelte-query';
import { api, ok, type Schema } from '#lib/api/client.ts';
import { KEYS } from '#lib/api/queries.ts';
import { queryClient } from '#lib/api/query-client.ts';
import type { Tone } from '#lib/ui/tone.ts';

export type Webhook = Schema<'WebhookRead'>;
export type Delivery = Schema<'DeliveryRead'>;
export type EventType = NonNullable<Schema<'WebhookCreate'>['event_types']>[number];

/** What can be sent, by what it is about; a webhook without any of them gets all. */
export const EVENT_GROUPS: { label: string; types: { value: EventType; label: string }[] }[] = [
	{
		label: 'Jobs',
		types: [
			{ value: 'job:created', label: 'Accepted' },
			{ value: 'job:started', label: 'Started' },
			{ value: 'job:completed', label: 'Completed' },
			{ value: 'job:failed', label: 'Failed' },
			{ value: 'job:cancelled', label: 'Cancelled' },
			{ value: 'job:attention', label: 'Needs a decision' }
		]
	},
	{
		label: 'Library',
		types: [
			{ value: 'asset:created', label: 'New item' },
			{ value: 'asset:downloaded', label: 'File is here' },
			{ value: 'asset:derived', label: 'Previews are ready' },
			{ value: 'asset:deleted', label: 'Deleted' }
		]
	},
	{
		label: 'Accounts',
		types: [
			{ value: 'account:status', label: 'State changed' },
			{ value: 'account:credits', label: 'Balance changed' }
		]
	}
];

export const webhooksQuery = () =>
	queryOptions({
		queryKey: [...KEYS.webhooks, 'list'],
		queryFn: ({ signal }) => ok(api.GET('/api/v1/webhooks', { signal }))
	});

export const webhookQuery = (id: string) =>
	queryOptions({
		queryKey: [...KEYS.webhooks, 'one', id],
		queryFn: ({ signal }) =>
			ok(api.GET('/api/v1/webhooks/{webhook_id}', { params: { path: { webhook_id: id } }, signal }))
	});

const OPEN_MS = 3000;

/** One that is sent now or soon; a receiver that fails is left alone for hours. */
function isDue({ status, next_attempt_at: next }: Delivery): boolean {
	return status === 'pending' && (next === null || Date.parse(next) < Date.now() + 10 * OPEN_MS);
}

/** What was sent, newest first. Deliveries have no events: while one is due it is asked again. */
export const deliveriesQuery = (id: string, status: Schema<'DeliveryStatus'> | null) =>
	infiniteQueryOptions({
		queryKey: [...KEYS.webhooks, 'deliveries', id, status],
		queryFn: ({ pageParam, signal }) =>
			ok(
				api.GET('/api/v1/webhooks/{webhook_id}/deliveries', {
					params: {
						path: { webhook_id: id },
						query: { status: status ?? undefined, cursor: pageParam }
					},
					signal
				})
			),
		initialPageParam: undefined as string | undefined,
		getNextPageParam: (page) => page.next_cursor ?? undefined,
		refetchInterval: ({ state }) =>
			state.data?.pages.some(({ items }) => items.some(isDue)) ? OPEN_MS : false,
		staleTime: 0
	});

export async function refreshWebhooks() {
	await queryClient.invalidateQueries({ queryKey: KEYS.webhooks });
}

export const DELIVERY_STATES: Record<Delivery['status'], { word: string; tone: Tone }> = {
	pending: { word: 'Waiting', tone: 'warn' },
	delivered: { word: 'Delivered', tone: 'ok' },
	failed: { word: 'Failed', tone: 'bad' }
};

/** How the webhook is doing, in words. */
export function stateOf(webhook: Webhook): { word: string; tone: Tone } {
	if (webhook.status === 'disabled') return { word: 'Off', tone: 'neutral' };
	if (webhook.failing_since) return { word: 'Failing', tone: 'bad' };
	return { word: 'On', tone: 'ok' };
}

/** "Everything", "Completed, Failed", "5 events". */
export function eventsText(types: readonly string[]): string {
	if (types.includes('*')) return 'Everything';
	const known = EVENT_GROUPS.flatMap((group) =>
		group.types.map(({ value, label }) => [value as string, `${group.label}: ${label}`] as const)
	);
	const labels = new Map(known);
	if (types.length > 2) return `${types.length} events`;
	return types.map((type) => labels.get(type) ?? type).join(', ');
}
