/** The queue's filter as its URL tells it. */
import type { JobScope } from './job-list.svelte.ts';
import type { JobGroup } from './jobs.ts';

export const GROUPS: readonly JobGroup[] = ['active', 'scheduled', 'failed', 'done'];

export function scopeOf(query: URLSearchParams, isAdmin: boolean): JobScope {
	const group = GROUPS.find((one) => one === query.get('state'));
	const user = isAdmin ? query.get('user') : null;
	return {
		state: group ?? 'active',
		q: query.get('q') ?? '',
		needsAttention: query.get('attention') === '1',
		workspaceId: query.get('workspace'),
		allUsers: user === 'all',
		userId: user === 'all' ? null : user
	};
}

/** The search part of the URL; what is left at its default is left out. */
export function queryOf(scope: JobScope): string {
	const query = new URLSearchParams();
	if (scope.state !== 'active') query.set('state', scope.state);
	if (scope.q.trim()) query.set('q', scope.q.trim());
	if (scope.needsAttention) query.set('attention', '1');
	if (scope.workspaceId) query.set('workspace', scope.workspaceId);
	const user = scope.allUsers ? 'all' : scope.userId;
	if (user) query.set('user', user);
	return query.size > 0 ? `?${query}` : '';
}
