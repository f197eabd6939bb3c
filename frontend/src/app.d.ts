declare global {
	namespace App {
		interface Error {
			message: string;
			/** The server's code, when it was the server that refused. */
			code?: string;
			request_id?: string;
		}
	}
}

export {};
