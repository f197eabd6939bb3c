/** Jobs that follow one another: how they are read, and where each is drawn. */
import { api, ok } from '#lib/api/client.ts';
import type { Job } from './jobs.ts';

export type ChainNode = { job: Job; column: number; row: number };
export type ChainLink = { from: ChainNode; to: ChainNode };
export type Chain = { nodes: ChainNode[]; links: ChainLink[]; columns: number; rows: number };

/** A chain longer than this is drawn in part. */
const MOST_JOBS = 60;

/** The whole chain of a job: from the first that started it to all that follow. */
export async function readChain(job: Job, signal: AbortSignal): Promise<Job[]> {
	let first = job;
	while (first.parent_job_id) {
		const path = { job_id: first.parent_job_id };
		first = await ok(api.GET('/api/v1/jobs/{job_id}', { params: { path }, signal }));
	}
	const jobs = [first];
	for (const one of jobs) {
		if (one.child_ids.length === 0 || jobs.length >= MOST_JOBS) continue;
		const query = { parent_job_id: one.id, limit: MOST_JOBS };
		const page = await ok(api.GET('/api/v1/jobs', { params: { query }, signal }));
		jobs.push(...page.items.reverse());
	}
	return jobs;
}

/** A column for each step, a row for each branch; the first follower stays in its parent's row. */
export function layOutChain(jobs: Job[]): Chain {
	const ids = new Set(jobs.map(({ id }) => id));
	const nodes: ChainNode[] = [];
	const links: ChainLink[] = [];
	let rows = 0;

	function put(job: Job, column: number, parent: ChainNode | null): void {
		const node = { job, column, row: rows };
		nodes.push(node);
		if (parent) links.push({ from: parent, to: node });
		const followers = jobs.filter((other) => other.parent_job_id === job.id);
		if (followers.length === 0) rows += 1;
		for (const follower of followers) put(follower, column + 1, node);
	}

	for (const job of jobs) if (!job.parent_job_id || !ids.has(job.parent_job_id)) put(job, 0, null);
	const columns = Math.max(0, ...nodes.map(({ column }) => column + 1));
	return { nodes, links, columns, rows };
}
