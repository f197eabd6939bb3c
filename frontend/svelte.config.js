import adapter from '@sveltejs/adapter-static';
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

/** @type {import('@sveltejs/kit').Config} */
export default {
	preprocess: vitePreprocess(),
	compilerOptions: { runes: true },
	kit: {
		// The server's package carries the built app; see `make web`.
		adapter: adapter({
			pages: '../pixsim7_backend/web',
			assets: '../pixsim7_backend/web',
			fallback: 'index.html',
			precompress: true
		}),
		csp: { mode: 'hash', directives: { 'script-src': ['self'] } },
		version: { pollInterval: 0 },
		typescript: {
			config: (config) => ({
				...config,
				include: [
					...config.include,
					'../e2e/**/*.ts',
					'../playwright.config.ts',
					'../scripts/**/*.mjs'
				]
			})
		}
	}
};
