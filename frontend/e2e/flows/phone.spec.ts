import { expect, test } from '../fixtures/test.ts';

test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

test('on a phone: make, look, and nothing wider than the screen', async ({ page, me }) => {
	await me.api.films(['small waves']);
	await page.goto('/create');
	await page.getByRole('button', { name: 'Reuse' }).tap();
	await page.getByRole('textbox', { name: 'Prompt' }).fill('large waves');
	await page.getByRole('button', { name: 'Generate', exact: true }).tap();
	await expect(page.getByRole('link', { name: /^Film, .*large waves/ })).toBeVisible({
		timeout: 90_000
	});

	const tabs = page.getByRole('navigation', { name: 'Main' });
	await tabs.getByRole('link', { name: 'Gallery' }).tap();
	await page.getByRole('link', { name: /small waves/ }).tap();
	const viewer = page.getByRole('dialog').first();
	await expect(viewer).toBeVisible();
	await viewer.getByRole('button', { name: 'Close' }).tap();
	await expect(viewer).toBeHidden();

	for (const path of [
		'/create',
		'/gallery',
		'/queue',
		'/workspaces',
		'/accounts',
		'/settings/profile'
	]) {
		await page.goto(path);
		await expect(page.getByRole('heading', { level: 1 })).toBeAttached();
		const { wide, screen } = await page.evaluate(() => ({
			wide: document.documentElement.scrollWidth,
			screen: innerWidth
		}));
		expect(wide, path).toBeLessThanOrEqual(screen);
	}
});
