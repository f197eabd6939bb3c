import createClient from 'openapi-fetch';
import type { components, paths } from './schema.d.ts';

/** The shapes of the API by name: `Schema<'JobRead'>`. */
export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name];

type Problem = Schema<'Problem'>;
export type FieldProblem = Schema<'FieldProblemRead'>;

/** What the server refused, or could not be asked (`status` 0, code `unreachable`). */
export class ApiError extends Error {
	readonly status: number;
	readonly code: string;
	readonly title: string;
	readonly detail: string;
	readonly fields: FieldProblem[];
	/** Seconds until asking again makes sense. */
	readonly retry_after: number | null;
	readonly request_id: string;

	constructor(problem: Partial<Problem>, retryAfter: number | null = null) {
		super(problem.detail ?? problem.title ?? 'The request failed.');
		this.name = 'ApiError';
		this.status = problem.status ?? 0;
		this.code = problem.code ?? 'unknown';
		this.title = problem.title ?? 'Something went wrong';
		this.detail = this.message;
		this.fields = problem.fields ?? [];
		this.retry_after = retryAfter;
		this.request_id = problem.request_id ?? '';
	}

	/** What is wrong with one input, by its dotted path, as a sentence for a Field. */
	field(path: string): string | null {
		const message = this.fields.find((problem) => problem.field === path)?.message;
		return message ? message.charAt(0).toUpperCase() + message.slice(1) : null;
	}
}

/** Anything that was thrown, as something to show. */
export function toApiError(error: unknown): ApiError {
	if (error instanceof ApiError) return error;
	return new ApiError({
		title: 'Something went wrong in the app',
		code: 'app_error',
		detail: error instanceof Error ? error.message : String(error)
	});
}

const UNREACHABLE: Partial<Problem> = {
	status: 0,
	code: 'unreachable',
	title: 'The server cannot be reached',
	detail: 'No answer came. Check the connection; nothing you wrote is lost.'
};

async function problemOf(response: Response): Promise<ApiError> {
	const wait = Number(response.headers.get('retry-after'));
	const retryAfter = Number.isFinite(wait) && wait > 0 ? wait : null;
	if (response.headers.get('content-type')?.startsWith('application/problem+json'))
		return new ApiError((await response.json()) as Problem, retryAfter);
	// Not from our server: a proxy before it, for instance.
	return new ApiError(
		{
			status: response.status,
			code: `http_${response.status}`,
			title: 'The server gave no usable answer',
			detail: `It answered ${response.status} without saying why.`
		},
		retryAfter
	);
}

async function request(input: Request): Promise<Response> {
	try {
		return await globalThis.fetch(input);
	} catch (error) {
		if (input.signal.aborted) throw error;
		throw new ApiError(UNREACHABLE);
	}
}

// --- one silent refresh ------------------------------------------------------------------------

const REFRESH = '/api/v1/auth/refresh';
/** A wrong password says nothing about the session. */
const NOT_ABOUT_THE_SESSION = new Set(['bad_credentials', 'login_throttled']);

let refreshing: Promise<boolean> | null = null;
let onSessionEnded = () => {};

/** Who is told when the session is over for good. */
export function setSessionEndedHandler(handler: () => void) {
	onSessionEnded = handler;
}

/** Asks for a new access cookie; whoever comes meanwhile waits for the same answer.
 * False: there is no session any more. Raises ApiError when the server could not say. */
export function refreshSession(): Promise<boolean> {
	refreshing ??= renew().finally(() => (refreshing = null));
	return refreshing;
}

async function renew(): Promise<boolean> {
	const response = await request(
		new Request(location.origin + REFRESH, { method: 'POST', headers: CLIENT_HEADERS })
	);
	if (response.ok) return true;
	const problem = await problemOf(response);
	if (problem.status === 401) return false;
	throw problem;
}

/** Sends; after a 401 refreshes once and sends again. Raises ApiError for all but success. */
async function send(input: Request): Promise<Response> {
	const again = input.clone();
	let response = await request(input);
	if (response.ok) return response;
	let problem = await problemOf(response);
	if (problem.status === 401 && !NOT_ABOUT_THE_SESSION.has(problem.code)) {
		if (await refreshSession()) {
			response = await request(again);
			if (response.ok) return response;
			problem = await problemOf(response);
		}
		if (problem.status === 401) onSessionEnded();
	}
	throw problem;
}

/** What only our own pages can send: the server's guard against other sites. */
export const CLIENT_HEADERS = { 'X-PixSim7-Client': 'web' };

export const api = createClient<paths>({
	baseUrl: location.origin,
	credentials: 'same-origin',
	headers: CLIENT_HEADERS,
	fetch: send
});

/** The answer's content: `await ok(api.GET('/api/v1/jobs'))`. Raises ApiError. */
export async function ok<Data>(call: Promise<{ data?: Data }>): Promise<Data> {
	return (await call).data as Data;
}
