/** Workspaces: what is read of them, and what changes them. */
import { queryOptions } from '@tanstack/svelte-query';
import { api, ok, type Schema } from '#lib/api/client.ts';
import type { EventStream } from '#lib/api/events.svelte.ts';
import { KEYS } from '#lib/api/queries.ts';
import { queryClient } from '#lib/api/query-client.ts';
import { count, credits } from '#lib/format.ts';
import { confirm } from '#lib/ui/confirm.svelte.ts';
import { toastDone, toastError } from '#lib/ui/toasts.ts';

export type Workspace = Schema<'WorkspaceRead'>;
export type WorkspaceInput = Schema<'WorkspaceCreate'>;

export const workspaceQuery = (id: string) =>
	queryOptions({
		queryKey: [...KEYS.workspaces, id],
		queryFn: ({ signal }) =>
			ok(
				api.GET('/api/v1/workspaces/{workspace_id}', {
					params: { path: { workspace_id: id } },
					signal
				})
			)
	});

const CHANGES = new Set(['job:created', 'job:completed', 'job:failed', 'job:cancelled']);
const GATHER_MS = 1500;

/** Reads counts and covers again when jobs end or pictures come, gathered; gives the way to stop. */
export function keepCounted(stream: EventStream): () => void {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const off = stream.on('*', ({ type }) => {
		if (CHANGES.has(type) || type.startsWith('asset:')) timer ??= setTimeout(read, GATHER_MS);
	});
	function read() {
		timer = undefined;
		void queryClient.invalidateQueries({ queryKey: KEYS.workspaces });
	}
	return () => {
		off();
		clearTimeout(timer);
	};
}

/** Makes one, or changes the given one. Raises ApiError: `workspace_name_taken`, or by field. */
export async function save(id: string | null, input: WorkspaceInput): Promise<Workspace> {
	const saved =
		id === null
			? await ok(api.POST('/api/v1/workspaces', { body: input }))
			: await ok(
					api.PATCH('/api/v1/workspaces/{workspace_id}', {
						params: { path: { workspace_id: id } },
						body: input
					})
				);
	await queryClient.invalidateQueries({ queryKey: KEYS.workspaces });
	return saved;
}

/** Asks, then deletes; whether it is gone. */
export async function remove({ id, name, asset_count }: Workspace): Promise<boolean> {
	const isMeant = await confirm({
		title: `Delete “${name}”?`,
		text:
			asset_count === 0
				? 'It is empty.'
				: `Its ${count(asset_count, 'item')} and all jobs stay in your library, without a workspace.`,
		action: 'Delete workspace',
		isDanger: true
	});
	if (!isMeant) return false;
	try {
		const params = { path: { workspace_id: id } };
		await ok(api.DELETE('/api/v1/workspaces/{workspace_id}', { params }));
		toastDone(`Deleted “${name}”`);
		await queryClient.invalidateQueries({ queryKey: KEYS.workspaces });
		return true;
	} catch (error) {
		toastError('The workspace could not be deleted', error);
		return false;
	}
}

/** "128 items", "3 jobs under way", "1,240 credits this month": only what there is. */
export function factsOf(workspace: Workspace): string[] {
	const { asset_count, active_jobs, spent_this_month } = workspace;
	const facts = [asset_count === 0 ? 'No items yet' : count(asset_count, 'item')];
	if (active_jobs > 0) facts.push(`${count(active_jobs, 'job')} under way`);
	if (spent_this_month > 0) facts.push(`${credits(spent_this_month)} this month`);
	return facts;
}
