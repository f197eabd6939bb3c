import type { Operation } from './media.ts';

/** A model of a provider, and what it can do. */
export type ModelChoice = {
	provider_id: string;
	provider_name: string;
	id: string;
	name: string;
	note: string;
	operations: Operation[];
};

/** The models behind the operations, in the server's order. */
export function modelsOf(operations: readonly Operation[]): ModelChoice[] {
	const models = new Map<string, ModelChoice>();
	for (const operation of operations) {
		const { provider_id, provider_name } = operation;
		for (const { id, name, note } of operation.models) {
			const key = `${provider_id} ${id}`;
			const model = models.get(key) ?? {
				provider_id,
				provider_name,
				id,
				name,
				note,
				operations: []
			};
			model.operations.push(operation);
			models.set(key, model);
		}
	}
	return [...models.values()];
}
