/** The odds of a run before it is started: what it costs, who pays, when it is there. */
import { createQuery, keepPreviousData } from '@tanstack/svelte-query';
import { untrack } from 'svelte';
import { api, ok, type Schema } from '#lib/api/client.ts';
import { KEYS } from '#lib/api/queries.ts';
import { credits as creditsOf, number } from '#lib/format.ts';
import type { Errors } from '#lib/form/schema.ts';
import type { Composer } from './composer.svelte.ts';
import { jobCount, type JobRequest } from './variations.ts';

type Estimate = Schema<'JobEstimate'>;

export const ESTIMATE_KEY = [...KEYS.jobs, 'estimate'] as const;
const WAIT_MS = 200;
/** Words cost nothing more: any prompt has the price of the one that is being written. */
const STAND_IN = 'a prompt';

/** Of a run of several requests as if it were one. */
export type Run = {
	count: number;
	/** null: not known. */
	credits: number | null;
	isExact: boolean;
	isFree: boolean;
	note: string;
	eta_s: number | null;
	ahead: number;
	accountsAble: number;
	payer: Estimate['payers'][number] | undefined;
	quota: Estimate['quota'];
	problems: Errors;
	/** What stands in the way, in words, and where it can be settled. */
	shortage: Shortage | null;
};

export type Shortage = { label: string; href: string; isFinal: boolean };

export function runOf(requests: readonly JobRequest[], estimates: readonly Estimate[]): Run | null {
	const [first] = estimates;
	if (!first) return null;
	const count = jobCount(requests);
	const known = estimates.every(({ credits }) => credits !== null);
	const etas = estimates.flatMap(({ eta_s }) => eta_s ?? []);
	const payers = [...first.payers].sort(
		(a, b) =>
			Number(b.is_able) - Number(a.is_able) ||
			(b.credits_free ?? Infinity) - (a.credits_free ?? Infinity)
	);
	const credits = known
		? estimates.reduce((total, estimate) => total + (estimate.credits ?? 0), 0)
		: null;
	return {
		count,
		credits,
		isExact: estimates.every(({ is_exact }) => is_exact),
		isFree: first.price_unit === 'none',
		note: first.note,
		eta_s: etas.length > 0 ? Math.max(...etas) : null,
		ahead: first.ahead,
		accountsAble: first.accounts_able,
		payer: payers[0],
		quota: first.quota,
		problems: problemsOf(estimates),
		shortage: jobShortage(first.quota, count) ?? creditShortage(payers, credits)
	};
}

function problemsOf(estimates: readonly Estimate[]): Errors {
	const problems: Errors = {};
	for (const { field, message } of estimates.flatMap((estimate) => estimate.problems))
		problems[field.replace(/^params\./, '')] ??= message;
	return problems;
}

/** Beyond the quota nothing is accepted. */
function jobShortage({ jobs_left_today: left }: Estimate['quota'], count: number): Shortage | null {
	if (left === null || left >= count) return null;
	const missing = count - left;
	const label = `Needs ${number(missing)} more ${missing === 1 ? 'job' : 'jobs'} today`;
	return { label, href: '/settings/profile', isFinal: true };
}

/** Beyond the credits it is accepted, and waits. */
function creditShortage(payers: Estimate['payers'], credits: number | null): Shortage | null {
	if (!credits || payers.length === 0) return null;
	const most = Math.max(...payers.map(({ credits_free }) => credits_free ?? Infinity));
	if (most >= credits) return null;
	const label = `Needs ${creditsOf(Math.ceil(credits - most)).replace(' ', ' more ')}`;
	return { label, href: '/accounts', isFinal: false };
}

/** The odds of what is being written, 200 ms after the last change; the old ones stay meanwhile. */
export function createOdds(composer: Composer) {
	let requests = $state.raw<JobRequest[]>([]);

	$effect(() => {
		const next = composer
			.requests()
			.map((request) => ({ ...request, params: { ...request.params, prompt: STAND_IN } }));
		const isFirst = untrack(() => requests.length === 0);
		const timer = setTimeout(() => (requests = next), isFirst ? 0 : WAIT_MS);
		return () => clearTimeout(timer);
	});

	// Prompts of a list cost the same: asked once, for all of them.
	const asked = $derived(
		composer.variation.kind === 'prompts' && requests[0]
			? [{ ...requests[0], count: Math.min(jobCount(requests), 64) }]
			: requests
	);
	const query = createQuery(() => ({
		queryKey: [...ESTIMATE_KEY, asked],
		queryFn: async ({ signal }) => {
			const estimates = await Promise.all(
				asked.map((body) => ok(api.POST('/api/v1/jobs/estimate', { body, signal })))
			);
			return runOf(asked, estimates);
		},
		enabled: asked.length > 0,
		placeholderData: keepPreviousData,
		gcTime: 60_000
	}));

	return {
		get run(): Run | null {
			return query.data ?? null;
		},
		get isFetching(): boolean {
			return query.isFetching;
		},
		get isFailed(): boolean {
			return query.isError;
		}
	};
}

export type Odds = ReturnType<typeof createOdds>;
