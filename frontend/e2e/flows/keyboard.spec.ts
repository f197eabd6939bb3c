import { expect, test } from '../fixtures/test.ts';

test('with the keyboard alone: make, browse, delete', async ({ page, me }) => {
	await me.api.films(['an older film']);
	await page.goto('/create');
	await expect(page.getByRole('textbox', { name: 'Prompt' })).toBeVisible();
	await expect(page.getByRole('link', { name: /an older film/ })).toBeVisible();
	await page.keyboard.press('r');
	await expect(page.getByRole('textbox', { name: 'Prompt' })).toHaveValue('an older film');
	await page.keyboard.press('Control+a');
	await page.keyboard.type('a paper boat');
	await page.keyboard.press('Control+Enter');
	await expect(page.getByRole('link', { name: /^Film, .*a paper boat/ })).toBeVisible({
		timeout: 90_000
	});

	await page.keyboard.press('Escape');
	await page.keyboard.press('g');
	await page.keyboard.press('g');
	await expect(page).toHaveURL(/\/gallery/);
	const newer = page.getByRole('link', { name: /a paper boat/ });
	const older = page.getByRole('link', { name: /an older film/ });
	await expect(newer).toBeVisible();
	for (let step = 0; step < 40; step++) {
		await page.keyboard.press('Tab');
		if (await newer.evaluate((link) => link === document.activeElement)) break;
	}
	await expect(newer).toBeFocused();
	await page.keyboard.press('ArrowRight');
	await expect(older).toBeFocused();
	await page.keyboard.press('Enter');
	await expect(page.getByRole('dialog')).toContainText('an older film');
	await page.keyboard.press('ArrowLeft');
	await expect(page.getByRole('dialog')).toContainText('a paper boat');
	await page.keyboard.press('Escape');
	await expect(newer).toBeFocused();
	await page.keyboard.press('Delete');
	await expect(newer).toHaveCount(0);
	await expect(older).toBeVisible();
});
