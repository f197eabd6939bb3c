/** A recipe in a line: model, operation, and what was chosen. */
import { fieldsOf, valueLabel, type ParamsSchema } from '#lib/form/schema.ts';
import type { Job } from './batches.ts';
import type { Operation } from './media.ts';

export function operationOf(job: Job, operations: readonly Operation[]): Operation | undefined {
	return operations.find(
		(one) => one.provider_id === job.provider_id && one.operation_type === job.operation_type
	);
}

/** "v5.5", "Text to video", "5 s", "720p", "16:9". */
export function summaryOf(job: Job, operation: Operation | undefined): string[] {
	const model = operation?.models.find(({ id }) => id === job.model)?.name ?? job.model;
	const type = operation?.title ?? job.operation_type.replaceAll('_', ' ');
	return [model ?? job.provider_name, type, ...settingsOf(job, operation)];
}

function settingsOf(job: Job, operation: Operation | undefined): string[] {
	if (!operation) return [];
	return fieldsOf(operation.params_schema as ParamsSchema, job.params).flatMap((field) => {
		const value = job.params[field.name];
		const isElsewhere =
			field.widget === 'prompt' || field.widget === 'media' || field.name === 'model';
		if (isElsewhere || !field.hints.quick || value == null || value === false) return [];
		return [value === true ? field.label : valueLabel(value, field.hints.unit)];
	});
}
