import type { ApiError, Schema } from '#lib/api/client.ts';
import { Draft } from '#lib/drafts.svelte.ts';
import { defaults, fieldsOf, validate } from '#lib/form/schema.ts';
import type { Errors, FormField, ParamsSchema, Values } from '#lib/form/schema.ts';
import { newKey } from './key.ts';
import { isAsset, kindsOf, mediaParams, operationFor, placeMedia } from './media.ts';
import type { MediaKind, Medium, Operation, PlacedSlot } from './media.ts';
import { modelsOf, type ModelChoice } from './models.ts';
import { jobCount, variants, type JobRequest, type Variation } from './variations.ts';

export const MAX_COUNT = 16;
const UNDO_STEPS = 50;

/** What can be made again: of a job, an asset, a preset. */
export type Recipe = {
	provider_id: string;
	operation_type: Operation['operation_type'];
	params: Record<string, unknown>;
};

type Work = {
	provider_id: string | null;
	operation_type: string | null;
	/** Everything that was ever chosen, by name: what a model lacks comes back with another. */
	kept: Values;
	media: Medium[];
	count: number;
	variation: Variation;
	workspace_id: string | null;
};

const EMPTY: Work = {
	provider_id: null,
	operation_type: null,
	kept: {},
	media: [],
	count: 1,
	variation: { kind: 'seeds' },
	workspace_id: null
};

/** What is being written: prompt, settings, media. Kept for each person until it is changed. */
export class Composer {
	/** All that the server can do; empty until it is known. */
	operations = $state.raw<Operation[]>([]);
	/** What the server refused, by field. */
	refused = $state.raw<Errors>({});
	/** Whether what is missing may be pointed out: not before the first try. */
	wasTried = $state(false);

	#draft: Draft<Work>;
	#undo: Work[] = [];

	constructor() {
		this.#draft = new Draft<Work>('create', EMPTY);
		// An upload ends with its page.
		this.#work.media = this.#work.media.filter(({ value }) => value !== null);
	}

	get #work(): Work {
		return this.#draft.value;
	}

	// --- what is chosen -------------------------------------------------------------------------

	operation: Operation | undefined = $derived.by(() => this.#chosen());
	schema: ParamsSchema = $derived((this.operation?.params_schema ?? {}) as ParamsSchema);
	values: Values = $derived(defaults(this.schema, this.#work.kept));
	fields: FormField[] = $derived(fieldsOf(this.schema, this.values));
	placed = $derived(
		this.operation ? placeMedia(this.operation, this.#work.media) : { slots: [], left: [] }
	);
	params: Values = $derived({ ...sendable(this.values), ...mediaParams(this.placed.slots) });

	models: ModelChoice[] = $derived(modelsOf(this.operations));
	model: ModelChoice | undefined = $derived(
		this.models.find(
			({ provider_id, id }) =>
				provider_id === this.operation?.provider_id && id === this.values.model
		) ?? this.models.find(({ provider_id }) => provider_id === this.operation?.provider_id)
	);

	/** What is wrong, by field: what this page can tell once something was tried, and refusals. */
	errors: Errors = $derived({
		...(this.wasTried ? validate(this.schema, this.params) : {}),
		...this.refused
	});

	/** The prompt, or the list of them when one is made of each line. */
	get words(): string {
		return this.variation.kind === 'prompts' ? this.variation.prompts : this.prompt;
	}
	set words(words: string) {
		if (this.variation.kind === 'prompts') this.variation = { kind: 'prompts', prompts: words };
		else this.#work.kept.prompt = words;
		this.#forgive('prompt');
	}

	get prompt(): string {
		return String(this.#work.kept.prompt ?? '');
	}

	get count(): number {
		return this.#work.count;
	}
	set count(count: number) {
		this.#work.count = Math.min(MAX_COUNT, Math.max(1, count));
	}

	get variation(): Variation {
		return this.#work.variation;
	}
	set variation(variation: Variation) {
		this.#work.variation = variation;
	}

	get workspaceId(): string | null {
		return this.#work.workspace_id;
	}
	set workspaceId(id: string | null) {
		this.#work.workspace_id = id;
	}

	get media(): readonly Medium[] {
		return this.#work.media;
	}

	get isUploading(): boolean {
		return this.#work.media.some(({ value, error }) => value === null && error === null);
	}

	// --- changes --------------------------------------------------------------------------------

	set(name: string, value: unknown) {
		this.#remember();
		if (value === undefined) delete this.#work.kept[name];
		else this.#work.kept[name] = value;
		this.#forgive(name);
	}

	chooseModel({ provider_id, id, operations }: ModelChoice) {
		this.#remember();
		const current = this.operation;
		const same = operations.find((one) => one.operation_type === current?.operation_type);
		const next =
			same ?? (current && operationFor(current, operations, this.media)) ?? operations[0];
		this.#work.kept.model = id;
		this.#take({ provider_id, operation_type: next?.operation_type ?? null });
	}

	chooseOperation(operation: Operation) {
		this.#remember();
		this.#take(operation);
	}

	/** Adds a medium; the operation follows it. False: nothing can take it. */
	addMedium(medium: Omit<Medium, 'key'>): string | null {
		const added = { ...medium, key: newKey() };
		const current = this.operation;
		if (!current) return null;
		const media = this.#withRoomFor(current, added);
		const next = this.#follow(media) ?? this.#roomIn(current, added);
		if (!next) return null;
		this.#remember();
		this.#work.media = media;
		this.#take(next);
		return added.key;
	}

	/** Something about a medium became known: how far the upload is, which asset it became. */
	updateMedium(key: string, change: Partial<Medium>) {
		const medium = this.#work.media.find((one) => one.key === key);
		if (medium) Object.assign(medium, change);
	}

	removeMedium(key: string) {
		this.#remember();
		const media = this.#work.media.filter((medium) => medium.key !== key);
		this.#work.media = media;
		// Taking the last one away goes back to words; taking one of several asks for another.
		const next = media.length === 0 ? this.#follow(media) : null;
		if (next) this.#take(next);
	}

	/** Starts from something that was made. False: nobody here can make it any more. */
	load({ provider_id, operation_type, params }: Recipe): boolean {
		const operation = this.#find(provider_id, operation_type);
		if (!operation) return false;
		this.#remember();
		const names = operation.inputs.map(({ name }) => name);
		const settings = Object.entries(params).filter(([name]) => !names.includes(name));
		this.#work.kept = { ...this.#work.kept, ...Object.fromEntries(settings) };
		if (!('seed' in params)) delete this.#work.kept.seed;
		this.#work.media = operation.inputs.flatMap(({ name, kinds }) =>
			[params[name] ?? []].flat().map((value) => mediumOf(String(value), kinds[0]!, name))
		);
		this.#work.variation = { kind: 'seeds' };
		this.#take(operation);
		return true;
	}

	/** Everything but the words and the media as the model has it. */
	reset() {
		this.#remember();
		const { prompt, model } = this.#work.kept;
		this.#work.kept = { ...(prompt ? { prompt } : {}), ...(model ? { model } : {}) };
		this.#work.variation = { kind: 'seeds' };
		this.refused = {};
	}

	undo() {
		const last = this.#undo.pop();
		if (last) this.#draft.value = { ...last, kept: { ...last.kept, prompt: this.prompt } };
	}

	// --- sending --------------------------------------------------------------------------------

	/** What would be sent now. */
	requests(): JobRequest[] {
		if (!this.operation) return [];
		const base: JobRequest = {
			provider_id: this.operation.provider_id,
			operation_type: this.operation.operation_type,
			params: { ...this.params, prompt: this.prompt },
			workspace_id: this.workspaceId
		};
		return $state.snapshot(variants(base, this.count, this.variation)) as JobRequest[];
	}

	get jobCount(): number {
		return jobCount(this.requests());
	}

	/** The first field that is wrong, or null when it may be sent. */
	check(): string | null {
		this.wasTried = true;
		this.refused = {};
		const params = { ...this.params };
		if (this.variation.kind === 'prompts') params.prompt = this.requests()[0]?.params.prompt;
		const wrong = validate(this.schema, params);
		return this.fields.find(({ name }) => wrong[name])?.name ?? null;
	}

	/** Puts a refusal where it belongs; gives the first field of it. */
	refuse(error: ApiError): string | null {
		const refused: Errors = {};
		for (const { field, message } of error.fields) {
			const name = /^jobs\.\d+\.params\.([^.]+)/.exec(field)?.[1];
			if (name) refused[name] = message;
		}
		this.refused = refused;
		return this.fields.find(({ name }) => refused[name])?.name ?? null;
	}

	/** What this workspace begins with. */
	applyDefaults({ provider_id, operation_type, model }: Schema<'WorkspaceDefaults'>) {
		const choice = this.models.find(
			(one) => one.provider_id === provider_id && (model === null || one.id === model)
		);
		if (choice) this.chooseModel(choice);
		const operation = (choice ?? this.model)?.operations.find(
			(one) => one.operation_type === operation_type
		);
		if (operation) this.chooseOperation(operation);
	}

	/** The recipe as it stands, for a preset. */
	get recipe(): Recipe | null {
		if (!this.operation) return null;
		const { provider_id, operation_type } = this.operation;
		return $state.snapshot({ provider_id, operation_type, params: this.params }) as Recipe;
	}

	/** A place for media of any kind, where the operation has none. */
	get openSlot(): PlacedSlot | null {
		if (this.placed.slots.length > 0 || !this.model) return null;
		const inputs = this.model.operations.flatMap((operation) => operation.inputs);
		if (inputs.length === 0) return null;
		return {
			name: '',
			label: 'Start from a picture or a film',
			kinds: kindsOf(inputs),
			is_list: true,
			is_required: false,
			min_items: 0,
			max_items: 1,
			media: [],
			room: 1
		};
	}

	/** It was accepted: what is written stays, as a start for the next. */
	accepted() {
		this.wasTried = false;
		this.refused = {};
	}

	// --- inside ---------------------------------------------------------------------------------

	#find(provider_id: string | null, type: string | null): Operation | undefined {
		return this.operations.find(
			(one) => one.provider_id === provider_id && one.operation_type === type
		);
	}

	/** What was chosen; at the beginning what can be made of words alone, at once, and moves. */
	#chosen(): Operation | undefined {
		const chosen = this.#find(this.#work.provider_id, this.#work.operation_type);
		if (chosen) return chosen;
		const rank = ({ availability, inputs, output }: Operation) =>
			(inputs.length === 0 ? 0 : 4) +
			(availability.state === 'free' ? 0 : 2) +
			(output === 'video' ? 0 : 1);
		return [...this.operations].sort((a, b) => rank(a) - rank(b))[0];
	}

	#take({ provider_id, operation_type }: Pick<Work, 'provider_id' | 'operation_type'>) {
		this.#work.provider_id = provider_id;
		this.#work.operation_type = operation_type;
		this.refused = {};
	}

	/** The operation for these media: of this model, else of this provider, else of any. */
	#follow(media: readonly Medium[]): Operation | null {
		const current = this.operation;
		if (!current) return null;
		const sameProvider = this.operations.filter(
			({ provider_id }) => provider_id === current.provider_id
		);
		const sameModel = this.model?.operations ?? [];
		return (
			operationFor(current, sameModel, media) ??
			operationFor(current, sameProvider, media) ??
			operationFor(current, this.operations, media)
		);
	}

	/** The current operation, if it has a place for this one but still lacks others. */
	#roomIn(operation: Operation, medium: Medium): Operation | null {
		return placeMedia(operation, [medium]).left.length === 0 ? operation : null;
	}

	/** In a slot for one, a new medium takes the place of the old. */
	#withRoomFor(operation: Operation, added: Medium): Medium[] {
		const { slots, left } = placeMedia(operation, this.#work.media);
		const slot = slots.find(({ name }) => name === added.slot);
		const gone = slot && slot.room === 0 ? slot.media.at(-1) : undefined;
		const kept = this.#work.media.filter(
			(medium) => medium.key !== gone?.key && !left.includes(medium)
		);
		return [...kept, added];
	}

	#forgive(name: string) {
		if (!(name in this.refused)) return;
		const { [name]: forgiven, ...rest } = this.refused;
		if (forgiven) this.refused = rest;
	}

	#remember() {
		this.#undo.push($state.snapshot(this.#work) as Work);
		if (this.#undo.length > UNDO_STEPS) this.#undo.shift();
	}
}

function mediumOf(value: string, kind: MediaKind, slot: string): Medium {
	const name = isAsset(value) ? '' : value;
	return { key: newKey(), kind, value, slot, name, progress: null, error: null };
}

/** Without what was left empty. */
function sendable(values: Values): Values {
	return Object.fromEntries(
		Object.entries(values).filter(([name, value]) => value !== '' || name === 'prompt')
	);
}
