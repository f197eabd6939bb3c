import { ApiError, CLIENT_HEADERS, refreshSession, type Schema } from '#lib/api/client.ts';

type Asset = Schema<'AssetRead'>;

/**
 * Sends a file into the library, telling how far it is (0 to 1). The same bytes again are the same
 * asset. Raises ApiError. By XMLHttpRequest: `fetch` cannot tell how much it has sent.
 */
export async function upload(
	file: File,
	options: { workspaceId: string | null; onprogress: (share: number) => void; signal: AbortSignal }
): Promise<Asset> {
	try {
		return await send(file, options);
	} catch (error) {
		const isOver = error instanceof ApiError && error.status === 401;
		if (!isOver || !(await refreshSession())) throw error;
		return send(file, options);
	}
}

function send(
	file: File,
	{ workspaceId, onprogress, signal }: Parameters<typeof upload>[1]
): Promise<Asset> {
	const form = new FormData();
	if (workspaceId) form.set('workspace_id', workspaceId);
	form.set('file', file);
	const request = new XMLHttpRequest();
	request.open('POST', '/api/v1/assets');
	for (const [name, value] of Object.entries(CLIENT_HEADERS)) request.setRequestHeader(name, value);
	request.responseType = 'json';
	return new Promise((resolve, reject) => {
		request.upload.onprogress = ({ loaded, total }) => onprogress(total ? loaded / total : 0);
		request.onload = () =>
			request.status < 300
				? resolve(request.response as Asset)
				: reject(new ApiError(request.response ?? { status: request.status }));
		request.onerror = () =>
			reject(new ApiError({ code: 'unreachable', detail: 'The upload broke off. Try it again.' }));
		request.onabort = () => reject(signal.reason);
		signal.addEventListener('abort', () => request.abort());
		request.send(form);
	});
}
