import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { api, ApiError, ok, setSessionEndedHandler, toApiError } from './client.ts';
import { retryDelay, shouldRetry } from './query-client.ts';

type Answer = (request: Request) => Response | Promise<Response>;

let asked: string[];
let ended: number;

function serve(answer: Answer) {
	vi.stubGlobal('fetch', async (request: Request) => {
		asked.push(`${request.method} ${new URL(request.url).pathname}`);
		return answer(request);
	});
}

function problem(status: number, code: string, headers: Record<string, string> = {}, rest = {}) {
	return new Response(
		JSON.stringify({
			status,
			code,
			title: 'T',
			detail: 'D',
			request_id: 'r1',
			fields: [],
			...rest
		}),
		{ status, headers: { 'content-type': 'application/problem+json', ...headers } }
	);
}

const json = (data: unknown) => Response.json(data);
const counts = () => ok(api.GET('/api/v1/jobs/counts'));

async function failure(call: Promise<unknown>): Promise<ApiError> {
	return call.then(
		() => {
			throw new Error('It should have failed.');
		},
		(error: unknown) => error as ApiError
	);
}

beforeEach(() => {
	asked = [];
	ended = 0;
	setSessionEndedHandler(() => (ended += 1));
});
afterEach(() => vi.unstubAllGlobals());

describe('client', () => {
	it('gives the data and names itself to the server', async () => {
		let header: string | null = null;
		serve((request) => {
			header = request.headers.get('x-pixsim7-client');
			return json({ pending: 2 });
		});
		expect(await counts()).toEqual({ pending: 2 });
		expect(header).toBe('web');
	});

	it('raises a problem with its code, fields and wait', async () => {
		const fields = [{ field: 'params.duration', message: 'must be 5 or 8', allowed: [5, 8] }];
		serve(() => problem(429, 'limit_reached', { 'retry-after': '7' }, { fields }));
		const error = await failure(counts());
		expect(error).toBeInstanceOf(ApiError);
		expect(error).toMatchObject({ status: 429, code: 'limit_reached', request_id: 'r1' });
		expect(error.retry_after).toBe(7);
		expect(error.field('params.duration')).toBe('Must be 5 or 8');
		expect(error.field('prompt')).toBeNull();
	});

	it('tells an unreachable server from a refusal, and survives foreign answers', async () => {
		serve(() => Promise.reject(new TypeError('Failed to fetch')));
		expect(await failure(counts())).toMatchObject({ status: 0, code: 'unreachable' });
		serve(() => new Response('<html>', { status: 502 }));
		expect(await failure(counts())).toMatchObject({ status: 502, code: 'http_502' });
	});

	it('renews the session once for all who wait, and sends again', async () => {
		let isRenewed = false;
		serve((request) => {
			if (request.url.endsWith('/auth/refresh')) {
				isRenewed = true;
				return json({});
			}
			return isRenewed ? json({ pending: 1 }) : problem(401, 'unauthenticated');
		});
		const answers = await Promise.all([counts(), counts()]);
		expect(answers).toEqual([{ pending: 1 }, { pending: 1 }]);
		expect(asked.filter((call) => call.endsWith('/auth/refresh'))).toHaveLength(1);
		expect(ended).toBe(0);
	});

	it('sends the body again after renewing', async () => {
		const bodies: unknown[] = [];
		serve(async (request) => {
			if (request.url.endsWith('/auth/refresh')) return json({});
			bodies.push(await request.json());
			return bodies.length === 1 ? problem(401, 'unauthenticated') : json({ id: 'w' });
		});
		await ok(api.POST('/api/v1/workspaces', { body: { name: 'Alps' } }));
		expect(bodies).toEqual([{ name: 'Alps' }, { name: 'Alps' }]);
	});

	it('says that the session ended when it cannot be renewed', async () => {
		serve(() => problem(401, 'session_ended'));
		expect(await failure(counts())).toMatchObject({ status: 401 });
		expect(ended).toBe(1);
	});

	it('does not take a wrong password for the end of a session', async () => {
		serve(() => problem(401, 'bad_credentials'));
		const body = { email: 'a', password: 'b', cookie: true };
		expect(await failure(ok(api.POST('/api/v1/auth/login', { body })))).toMatchObject({
			code: 'bad_credentials'
		});
		expect(asked).toEqual(['POST /api/v1/auth/login']);
		expect(ended).toBe(0);
	});

	it('does not end the session when the server is away while renewing', async () => {
		serve((request) => {
			if (request.url.endsWith('/auth/refresh')) throw new TypeError('Failed to fetch');
			return problem(401, 'unauthenticated');
		});
		expect(await failure(counts())).toMatchObject({ code: 'unreachable' });
		expect(ended).toBe(0);
	});

	it('makes anything thrown something to show', () => {
		expect(toApiError(new Error('boom'))).toMatchObject({ code: 'app_error', detail: 'boom' });
	});
});

describe('asking again', () => {
	it('helps against absence and haste, not against a refusal', () => {
		const of = (status: number) => new ApiError({ status });
		expect([0, 429, 503].map((status) => shouldRetry(0, of(status)))).toEqual([true, true, true]);
		expect([400, 404, 409, 500].some((status) => shouldRetry(0, of(status)))).toBe(false);
		expect(shouldRetry(3, of(0))).toBe(false);
	});

	it('waits as long as the server asked for', () => {
		expect(retryDelay(0, new ApiError({ status: 429 }, 7))).toBe(7000);
		expect(retryDelay(2, new ApiError({ status: 0 }))).toBe(4000);
	});
});
