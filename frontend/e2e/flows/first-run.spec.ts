import { expectAccessibleInBothThemes } from '../fixtures/axe.ts';
import { expect, PASSWORD, test } from '../fixtures/test.ts';
import { Server } from '../fixtures/server.ts';

/** A server that nobody has set up. */
const fresh = test.extend<{ freshServer: Server }>({
	freshServer: async ({}, use) => {
		const server = await Server.start();
		await use(server);
		await server.remove();
	}
});

fresh('from nothing to the first film', async ({ freshServer, newBrowser, provoked }) => {
	fresh.setTimeout(300_000);
	provoked.push(/422 .*auth\/setup/);
	const page = await newBrowser({ baseURL: freshServer.url });
	await page.goto('/');

	await expect(page.getByRole('heading', { name: 'Welcome' })).toBeVisible();
	await page.getByLabel('User name').fill('ada');
	await page.getByLabel('Email').fill('ada@example.com');
	await page.getByLabel('Password').fill('short');
	await page.getByRole('button', { name: 'Go on' }).click();
	await expect(page.getByLabel('Password')).toHaveAttribute('aria-invalid', 'true');
	await expectAccessibleInBothThemes(page);
	await page.getByLabel('Password').fill(PASSWORD);
	await page.getByRole('button', { name: 'Go on' }).click();

	await expect(page.getByRole('heading', { name: 'Your server' })).toBeVisible();
	await expect(page.getByText('A directory of the server')).toBeVisible();
	await expectAccessibleInBothThemes(page);
	await page.getByRole('button', { name: 'Go on' }).click();

	await expect(page.getByRole('heading', { name: 'A first film' })).toBeVisible();
	const film = page.locator('video');
	await expect(film).toBeVisible({ timeout: 240_000 });
	await expect
		.poll(() => film.evaluate((video: HTMLVideoElement) => video.currentTime))
		.toBeGreaterThan(0);
	await expectAccessibleInBothThemes(page);
	await page.getByRole('link', { name: 'Open PixSim7' }).click();
	await expect(page).toHaveURL(/\/create$/);

	await page.goto('/setup');
	await expect(page).not.toHaveURL(/setup/);
});
