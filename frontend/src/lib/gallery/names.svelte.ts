import { createQuery } from '@tanstack/svelte-query';
import { operationsQuery, workspacesQuery } from '#lib/api/queries.ts';
import type { Names } from './filters.ts';

/** Names of the ids that filters hold, as the server gives them. Use while a component is made. */
export class Catalogue {
	readonly #operations = createQuery(() => operationsQuery());
	readonly #workspaces = createQuery(() => workspacesQuery());

	get operations() {
		return this.#operations.data?.items ?? [];
	}

	get workspaces() {
		return this.#workspaces.data?.items ?? [];
	}

	readonly names: Names = {
		provider: (id) => this.operations.find((one) => one.provider_id === id)?.provider_name ?? id,
		operation: (id) => this.operations.find((one) => one.operation_type === id)?.title ?? id,
		workspace: (id) => this.workspaces.find((one) => one.id === id)?.name ?? id
	};
}
