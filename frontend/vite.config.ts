import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { defineConfig } from 'vitest/config';

// The server compares the Host with the Origin: the proxy must not change it.
const keepingHost = {
	target: process.env.PIXSIM7_URL ?? 'http://127.0.0.1:8000',
	changeOrigin: false
};

// Many small chunks compress badly: the framework travels as one, and so do the icons.
const groups = [
	{
		name: 'base',
		test: /node_modules.(svelte|@sveltejs|esm-env|@tanstack|svelte-sonner|openapi-fetch|clsx|runed|svelte-toolbelt)[\\/]/,
		priority: 2
	},
	{ name: 'icons', test: /@lucide/, priority: 1 }
];

export default defineConfig({
	plugins: [tailwindcss(), sveltekit()],
	resolve: process.env.VITEST ? { conditions: ['browser'] } : undefined,
	server: { proxy: { '/api': keepingHost, '/health': keepingHost } },
	build: { rolldownOptions: { checks: { pluginTimings: false } } },
	environments: {
		client: { build: { rolldownOptions: { output: { codeSplitting: { groups } } } } }
	},
	test: { environment: 'happy-dom', include: ['src/**/*.test.ts'] }
});
