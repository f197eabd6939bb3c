import { expect, it } from 'vitest';
import { changedQuotas, inputsOf, ownLimits, type Quotas } from './quotas.ts';

const QUOTAS: Quotas = {
	max_accounts: 20,
	max_assets: null,
	max_concurrent_jobs: 4,
	max_daily_jobs: 500,
	max_storage_bytes: 200 * 2 ** 30
};

it('shows bytes as gigabytes, and sends nothing back that was not changed', () => {
	const inputs = inputsOf(QUOTAS);
	expect(inputs.max_storage_bytes).toBe(214.75);
	expect(changedQuotas(inputs, QUOTAS)).toEqual({});
});

it('sends what was changed: a limit taken away, one set, gigabytes as bytes', () => {
	const inputs = {
		...inputsOf(QUOTAS),
		max_daily_jobs: null,
		max_assets: 9,
		max_storage_bytes: 1.5
	};
	expect(changedQuotas(inputs, QUOTAS)).toEqual({
		max_daily_jobs: null,
		max_assets: 9,
		max_storage_bytes: 1_500_000_000
	});
});

it('counts the limits that are not the defaults', () => {
	expect(ownLimits({ ...QUOTAS, max_daily_jobs: 1 }, QUOTAS)).toBe(1);
});
