import { defineConfig } from '@playwright/test';

const DESKTOP = { width: 1440, height: 900 };

/** The whole app in a real browser, against the real server. `make e2e`, `make e2e-perf`, `make pictures`. */
export default defineConfig({
	testDir: 'e2e',
	workers: Number(process.env.E2E_WORKERS ?? 2),
	timeout: 120_000,
	expect: { timeout: 15_000 },
	forbidOnly: !!process.env.CI,
	reporter: [['list']],
	use: {
		viewport: DESKTOP,
		colorScheme: 'dark',
		locale: 'en-GB',
		timezoneId: 'UTC',
		screenshot: 'only-on-failure',
		launchOptions: {
			executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
			args: [
				'--disable-gpu',
				'--disable-quic',
				'--no-first-run',
				'--disable-background-networking',
				'--disable-component-update',
				'--disable-sync'
			]
		}
	},
	projects: [
		{ name: 'flows', testMatch: 'flows/*.spec.ts' },
		{ name: 'perf', testMatch: 'perf.spec.ts' },
		{ name: 'pictures', testMatch: 'pictures.spec.ts' }
	]
});
