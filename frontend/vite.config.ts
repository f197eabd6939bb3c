import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { defineConfig } from 'vitest/config';

// The server compares the Host with the Origin: the proxy must not change it.
const keepingHost = {
	target: process.env.PIXSIM7_URL ?? 'http://127.0.0.1:8000',
	changeOrigin: false
};

export default defineConfig({
	plugins: [tailwindcss(), sveltekit()],
	resolve: process.env.VITEST ? { conditions: ['browser'] } : undefined,
	server: { proxy: { '/api': keepingHost, '/health': keepingHost } },
	build: { rolldownOptions: { checks: { pluginTimings: false } } },
	test: { environment: 'happy-dom', include: ['src/**/*.test.ts'] }
});
