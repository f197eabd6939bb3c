import { queryOptions } from '@tanstack/svelte-query';
import { api, ok, type Schema } from '#lib/api/client.ts';
import { queryClient } from '#lib/api/query-client.ts';
import { toastDone, toastError } from '#lib/ui/toasts.ts';
import type { Recipe } from './composer.svelte.ts';

export type Preset = Schema<'PresetRead'>;

const KEY = ['presets'] as const;

export const presetsQuery = () =>
	queryOptions({
		queryKey: KEY,
		queryFn: ({ signal }) => ok(api.GET('/api/v1/presets', { signal }))
	});

/** Raises ApiError: the name is taken, or there are too many. */
export async function savePreset(name: string, recipe: Recipe): Promise<void> {
	const { provider_id, operation_type, params } = recipe;
	await ok(api.POST('/api/v1/presets', { body: { name, provider_id, operation_type, params } }));
	await queryClient.invalidateQueries({ queryKey: KEY });
}

export async function removePreset(preset: Preset): Promise<void> {
	try {
		const params = { path: { preset_id: preset.id } };
		await ok(api.DELETE('/api/v1/presets/{preset_id}', { params }));
		await queryClient.invalidateQueries({ queryKey: KEY });
		const undo = () => void savePreset(preset.name, preset);
		toastDone(`“${preset.name}” removed`, { undo });
	} catch (error) {
		toastError('The preset could not be removed', error);
	}
}
