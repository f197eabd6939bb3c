import { api, ok, type Schema } from '#lib/api/client.ts';

type Job = Schema<'JobRead'>;

/** The highest priority. */
const FRONT = 0;

/** Does one of a job's `choices`; gives the job as it is afterwards. */
export function steer(id: string, action: Job['choices'][number]): Promise<Job> {
	const params = { path: { job_id: id } };
	switch (action) {
		case 'cancel':
			return ok(api.POST('/api/v1/jobs/{job_id}/cancel', { params }));
		case 'pause':
			return ok(api.POST('/api/v1/jobs/{job_id}/pause', { params }));
		case 'resume':
			return ok(api.POST('/api/v1/jobs/{job_id}/resume', { params }));
		case 'to_front':
			return ok(api.PATCH('/api/v1/jobs/{job_id}', { params, body: { priority: FRONT } }));
		case 'retry':
			return ok(api.POST('/api/v1/jobs/{job_id}/retry', { params }));
		case 'retry_second_charge':
			return ok(
				api.POST('/api/v1/jobs/{job_id}/retry', { params, body: { accept_second_charge: true } })
			);
		case 'dismiss':
			return ok(api.POST('/api/v1/jobs/{job_id}/dismiss', { params }));
	}
}
