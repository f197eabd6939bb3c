import type { Recipe } from './composer.svelte.ts';
import type { ModelChoice } from './models.ts';
import type { Batch, Job } from './batches.ts';
import type { Choice } from './job-actions.ts';
import type { MediaKind, Operation } from './media.ts';

/** What the stream asks of the page: each result is a start for the next. */
export type Maker = {
	operations: readonly Operation[];
	models: readonly ModelChoice[];
	/** Puts a recipe into the prompt bar. */
	reuse: (recipe: Recipe) => void;
	/** Puts a result into the next free slot. */
	use: (assetId: string, kind: MediaKind, slot?: { operation: Operation; name: string }) => void;
	/** Makes the batch once more, with new seeds. */
	again: (batch: Batch) => void;
	act: (job: Job, choice: Choice) => void;
	cancel: (batch: Batch) => void;
	retry: (batch: Batch) => void;
	/** Opens the question for a preset's name. */
	keep: (recipe: Recipe) => void;
};
