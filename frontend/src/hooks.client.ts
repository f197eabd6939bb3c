import type { HandleClientError } from '@sveltejs/kit';
import { toApiError } from '#lib/api/client.ts';

/** Errors of `load` reach the error page with the server's own words. */
export const handleError: HandleClientError = ({ error, status, message }) => {
	if (status === 404) return { message };
	const { detail, code, request_id } = toApiError(error);
	return { message: detail, code, request_id };
};
