import type { Mode } from '#lib/grid/layout.ts';
import type { AssetFilter, AssetSort, MediaType } from './assets.ts';

/** What a person asks of the library. Empty text, false, 0 and [] mean: whatever. */
export interface Filters {
	q: string;
	kind: MediaType | '';
	provider: string;
	model: string;
	operation: string;
	workspace: string;
	tags: string[];
	fav: boolean;
	rating: number;
	/** Days, as 2026-11-23; both included. */
	from: string;
	to: string;
	origin: 'generated' | 'uploaded' | '';
	status: 'remote' | 'downloading' | 'downloaded' | 'error' | '';
}

export interface View {
	sort: AssetSort;
	mode: Mode;
	/** From 0 (small) to 4 (large). */
	size: number;
}

export const NO_FILTERS: Filters = {
	q: '',
	kind: '',
	provider: '',
	model: '',
	operation: '',
	workspace: '',
	tags: [],
	fav: false,
	rating: 0,
	from: '',
	to: '',
	origin: '',
	status: ''
};

export const DEFAULT_VIEW: View = { sort: 'newest', mode: 'rows', size: 2 };

/** How high a row is and how wide a column at least is, for each size of the slider. */
export const ROW_HEIGHTS = [100, 140, 190, 270, 380] as const;
export const COLUMN_WIDTHS = [112, 160, 220, 320, 460] as const;

const KINDS = ['video', 'image', 'audio', '3d_model'] as const;
const SORTS = ['newest', 'oldest', 'rating', 'duration', 'size'] as const;
const MODES = ['rows', 'columns', 'squares'] as const;
const ORIGINS = ['generated', 'uploaded'] as const;
const STATUSES = ['remote', 'downloading', 'downloaded', 'error'] as const;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

function oneOf<T extends string>(values: readonly T[], text: string | null): T | undefined {
	return values.find((value) => value === text);
}

function dayOf(text: string | null): string {
	return text !== null && DAY.test(text) && !Number.isNaN(Date.parse(text)) ? text : '';
}

/** Reads filters from the query of a URL; what is not understood is left out. */
export function readFilters(query: URLSearchParams): Filters {
	const rating = Number(query.get('rating'));
	return {
		q: query.get('q') ?? '',
		kind: oneOf(KINDS, query.get('kind')) ?? '',
		provider: query.get('provider') ?? '',
		model: query.get('model') ?? '',
		operation: query.get('operation') ?? '',
		workspace: query.get('workspace') ?? '',
		tags: query.getAll('tag').filter(Boolean),
		fav: query.get('fav') === '1',
		rating: Number.isInteger(rating) && rating >= 1 && rating <= 5 ? rating : 0,
		from: dayOf(query.get('from')),
		to: dayOf(query.get('to')),
		origin: oneOf(ORIGINS, query.get('origin')) ?? '',
		status: oneOf(STATUSES, query.get('status')) ?? ''
	};
}

export function readView(query: URLSearchParams): View {
	const size = Number(query.get('size') ?? DEFAULT_VIEW.size);
	return {
		sort: oneOf(SORTS, query.get('sort')) ?? DEFAULT_VIEW.sort,
		mode: oneOf(MODES, query.get('view')) ?? DEFAULT_VIEW.mode,
		size: ROW_HEIGHTS[size] === undefined ? DEFAULT_VIEW.size : size
	};
}

/** Writes only what differs from the defaults, in one order, so equal views have equal URLs. */
export function writeQuery(filters: Filters, view: View): URLSearchParams {
	const query = new URLSearchParams();
	const put = (name: string, value: string) => value !== '' && query.append(name, value);
	put('q', filters.q.trim());
	put('kind', filters.kind);
	put('provider', filters.provider);
	put('model', filters.model);
	put('operation', filters.operation);
	put('workspace', filters.workspace);
	for (const tag of filters.tags) put('tag', tag);
	put('fav', filters.fav ? '1' : '');
	put('rating', filters.rating ? String(filters.rating) : '');
	put('from', filters.from);
	put('to', filters.to);
	put('origin', filters.origin);
	put('status', filters.status);
	put('sort', view.sort === DEFAULT_VIEW.sort ? '' : view.sort);
	put('view', view.mode === DEFAULT_VIEW.mode ? '' : view.mode);
	put('size', view.size === DEFAULT_VIEW.size ? '' : String(view.size));
	return query;
}

export function isFiltered(filters: Filters): boolean {
	return writeQuery(filters, DEFAULT_VIEW).size > 0;
}

/** The filters as the API asks for them. Days are those of the person's own time zone. */
export function toAssetFilter(filters: Filters): AssetFilter {
	const next = new Date(`${filters.to}T00:00:00`);
	next.setDate(next.getDate() + 1);
	return {
		query: filters.q.trim() || undefined,
		media_type: filters.kind || undefined,
		provider_id: filters.provider || undefined,
		model: filters.model || undefined,
		operation_type: (filters.operation || undefined) as AssetFilter['operation_type'],
		workspace_id: filters.workspace || undefined,
		tag: filters.tags.length ? filters.tags : undefined,
		is_favourite: filters.fav || undefined,
		rating_min: filters.rating || undefined,
		origin: filters.origin || undefined,
		sync_status: filters.status || undefined,
		created_after: filters.from ? new Date(`${filters.from}T00:00:00`).toISOString() : undefined,
		created_before: filters.to ? next.toISOString() : undefined
	};
}

const TOKEN = /(^|\s)(model|tag|provider|kind|rating):("[^"]+"|\S+)/gi;

/** Takes `model:…`, `tag:…`, `provider:…`, `kind:…` and `rating:…` out of a search and makes filters of them. */
export function readTokens(text: string, filters: Filters): Filters {
	const next = { ...filters, tags: [...filters.tags] };
	next.q = text
		.replace(TOKEN, (whole, _space: string, name: string, quoted: string) => {
			const value = quoted.replaceAll('"', '');
			switch (name.toLowerCase()) {
				case 'model':
					next.model = value;
					return '';
				case 'provider':
					next.provider = value;
					return '';
				case 'tag':
					if (!next.tags.includes(value)) next.tags.push(value);
					return '';
				case 'kind': {
					const kind = oneOf(KINDS, value.toLowerCase());
					if (!kind) return whole;
					next.kind = kind;
					return '';
				}
				default: {
					const rating = Number(value);
					if (!(rating >= 1 && rating <= 5)) return whole;
					next.rating = Math.round(rating);
					return '';
				}
			}
		})
		.replace(/\s+/g, ' ')
		.trim();
	return next;
}

/** One thing that narrows the list, as a chip says it. */
export interface FilterChip {
	key: string;
	name: string;
	value: string;
	without: Filters;
}

/** What names ids are shown by; an unknown id stands for itself. */
export interface Names {
	provider: (id: string) => string;
	operation: (id: string) => string;
	workspace: (id: string) => string;
}

export const KIND_LABELS: Record<MediaType, string> = {
	video: 'Video',
	image: 'Image',
	audio: 'Audio',
	'3d_model': '3D model'
};
const STATUS_LABELS = {
	remote: 'Not fetched yet',
	downloading: 'Being fetched',
	downloaded: 'Kept here',
	error: 'Could not be fetched'
} as const;
const ORIGIN_LABELS = { generated: 'Generated', uploaded: 'Uploaded' } as const;

export const choicesOf = {
	origin: ORIGINS.map((value) => ({ value, label: ORIGIN_LABELS[value] })),
	status: STATUSES.map((value) => ({ value, label: STATUS_LABELS[value] })),
	kind: KINDS.map((value) => ({ value, label: KIND_LABELS[value] }))
};

export function chipsOf(filters: Filters, names: Names): FilterChip[] {
	const chips: FilterChip[] = [];
	const put = (name: string, value: string, without: Partial<Filters>) =>
		chips.push({ key: `${name} ${value}`, name, value, without: { ...filters, ...without } });
	if (filters.q.trim()) put('Text', filters.q.trim(), { q: '' });
	if (filters.kind) put('Kind', KIND_LABELS[filters.kind], { kind: '' });
	if (filters.provider) put('Provider', names.provider(filters.provider), { provider: '' });
	if (filters.model) put('Model', filters.model, { model: '' });
	if (filters.operation) put('Made by', names.operation(filters.operation), { operation: '' });
	if (filters.workspace) put('Workspace', names.workspace(filters.workspace), { workspace: '' });
	for (const tag of filters.tags) {
		put('Tag', tag, { tags: filters.tags.filter((other) => other !== tag) });
	}
	if (filters.fav) put('Favourites', 'only', { fav: false });
	if (filters.rating)
		put('Rating', `${filters.rating}${filters.rating < 5 ? '+' : ''}`, { rating: 0 });
	if (filters.from) put('From', filters.from, { from: '' });
	if (filters.to) put('To', filters.to, { to: '' });
	if (filters.origin) put('Origin', ORIGIN_LABELS[filters.origin], { origin: '' });
	if (filters.status) put('File', STATUS_LABELS[filters.status], { status: '' });
	return chips;
}
