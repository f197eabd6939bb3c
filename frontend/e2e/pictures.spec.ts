import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Page } from '@playwright/test';
import { DEVICES, expect, test, THEMES, visit } from './fixtures/household.ts';
import { Server } from './fixtures/server.ts';
import { signIn } from './fixtures/test.ts';

/** Writes docs/screenshots: every page, on a desk and on a phone, dark and light. */
const FOLDER = path.resolve(import.meta.dirname, '../../docs/screenshots');
const MOST_BYTES = 120_000;

test.use({ fullness: { films: 6, params: { quality: '540p', duration: 3 } } });

async function take(page: Page, file: string) {
	for (const quality of [82, 70, 55, 40]) {
		const picture = await page.screenshot({ type: 'jpeg', quality });
		if (picture.length > MOST_BYTES) continue;
		await writeFile(path.join(FOLDER, file), picture);
		return;
	}
	throw new Error(`${file} is larger than ${MOST_BYTES} bytes at any quality`);
}

for (const [device, options] of Object.entries(DEVICES)) {
	test.describe(device, () => {
		test.use({ ...options, contextOptions: { reducedMotion: 'reduce' } });

		const takeBoth = async (page: Page, name: string) => {
			for (const colorScheme of THEMES) {
				await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
				await expect(page.locator('html')).toHaveAttribute('data-theme', colorScheme);
				await take(page, `${name}-${device}-${colorScheme}.jpg`);
			}
		};

		test('pictures of every page', async ({ page, household }) => {
			test.setTimeout(600_000);
			await mkdir(FOLDER, { recursive: true });
			await visit(page, '/sign-in');
			await takeBoth(page, 'sign-in');
			await signIn(page, household.owner);
			for (const { name, path: where } of household.places) {
				await visit(page, where);
				await takeBoth(page, name);
			}
		});

		test('pictures of the beginning', async ({ page, newPerson, admin, newBrowser }) => {
			test.setTimeout(120_000);
			await mkdir(FOLDER, { recursive: true });
			const person = await newPerson();
			const reset = `/users/${person.id}/reset-password`;
			const { password } = await admin.post<{ password: string }>(reset, {});
			await signIn(page, { ...person, password });
			await page.goto('/create');
			await expect(page.getByRole('heading', { name: 'Choose a password' })).toBeVisible();
			await takeBoth(page, 'new-password');

			const server = await Server.start();
			const fresh = await newBrowser({ ...options, baseURL: server.url });
			await visit(fresh, '/setup');
			await takeBoth(fresh, 'setup');
			await server.remove();
		});
	});
}
