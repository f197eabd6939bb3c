import { describe, expect, it } from 'vitest';
import type { Schema } from '#lib/api/client.ts';
import { runOf } from './odds.svelte.ts';
import type { JobRequest } from './variations.ts';

type Estimate = Schema<'JobEstimate'>;

function estimate(more: Partial<Estimate>): Estimate {
	return {
		credits: 90,
		is_exact: true,
		price_unit: 'credits',
		note: '',
		eta_s: 20,
		ahead: 1,
		accounts_able: 1,
		payers: [],
		problems: [],
		quota: { jobs_left_today: 10 },
		...more
	} as Estimate;
}

const requests = (count: number): JobRequest[] => [
	{ provider_id: 'p', operation_type: 'text_to_video', params: {}, count }
];
const payer = (credits_free: number | null, is_able = true) =>
	({ account_id: 'x', name: 'Studio', is_able, credits_free }) as Estimate['payers'][number];

describe('runOf', () => {
	it('adds up what differs in price', () => {
		const run = runOf(
			[...requests(2), ...requests(1)],
			[estimate({ credits: 180, eta_s: 20 }), estimate({ credits: 60, eta_s: 45 })]
		);
		expect(run).toMatchObject({ count: 3, credits: 240, eta_s: 45, shortage: null });
	});

	it('does not guess a price that the server does not know', () => {
		expect(runOf(requests(1), [estimate({ credits: null })])).toMatchObject({ credits: null });
	});

	it('counts jobs against what is left of today, and lets nothing through beyond it', () => {
		const quota = { jobs_left_today: 1 } as Estimate['quota'];
		expect(runOf(requests(4), [estimate({ quota })])?.shortage).toMatchObject({
			label: 'Needs 3 more jobs today',
			isFinal: true
		});
	});

	it('names the credits that no account has; such a run may wait', () => {
		const payers = [payer(30), payer(20, false)];
		expect(runOf(requests(1), [estimate({ payers })])?.shortage).toMatchObject({
			label: 'Needs 60 more credits',
			isFinal: false
		});
		expect(runOf(requests(1), [estimate({ payers: [payer(null)] })])?.shortage).toBeNull();
	});

	it('lets the account pay that can, and has most', () => {
		const payers = [payer(500, false), payer(100), payer(300)];
		expect(runOf(requests(1), [estimate({ payers })])?.payer?.credits_free).toBe(300);
	});
});
