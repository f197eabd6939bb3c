import type { Tone } from '#lib/ui/tone.ts';
import type { ModelChoice } from './models.ts';
import type { Operation } from './media.ts';

type State = Operation['availability']['state'];

/** What the dot beside a model says; free needs none. */
export const AVAILABILITY_TONE: Record<State, Tone> = {
	free: 'ok',
	busy: 'warn',
	cooling: 'warn',
	unable: 'bad',
	no_account: 'bad'
};

export function priceWords({ price_unit }: Operation): string {
	return price_unit === 'credits' ? 'priced in credits' : 'free';
}

/** Whether a job would wait until somebody does something. */
export function isStuck({ availability }: Operation): boolean {
	return availability.state === 'unable' || availability.state === 'no_account';
}

/** Another model that could make the same now. */
export function equalModel(
	operation: Operation,
	models: readonly ModelChoice[]
): ModelChoice | undefined {
	return models.find(({ operations }) =>
		operations.some(
			(one) => one.operation_type === operation.operation_type && one.availability.state === 'free'
		)
	);
}
