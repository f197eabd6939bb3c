import { expectAccessible, expectAccessibleInBothThemes } from '../fixtures/axe.ts';
import { DEVICES, expect, test, visit } from '../fixtures/household.ts';
import { signIn } from '../fixtures/test.ts';

for (const [device, options] of Object.entries(DEVICES)) {
	test.describe(device, () => {
		test.use({ ...options, contextOptions: { reducedMotion: 'reduce' } });

		test('every page is for everybody, dark and light', async ({ page, household, provoked }) => {
			test.setTimeout(300_000);
			provoked.push(/example\.com/);
			await visit(page, '/sign-in');
			await expectAccessibleInBothThemes(page);
			await signIn(page, household.owner);
			for (const { name, path } of household.places) {
				await test.step(name, async () => {
					await visit(page, path);
					await expectAccessibleInBothThemes(page);
				});
			}
		});

		test('dialogs are for everybody', async ({ page, me }) => {
			expect(me.id).toBeTruthy();
			await visit(page, '/create');
			await page.keyboard.press('Control+k');
			await expect(page.getByRole('dialog')).toBeVisible();
			await expectAccessible(page);
			await page.keyboard.press('Escape');
			await expect(page.getByRole('dialog')).toHaveCount(0);
			await page.getByRole('button', { name: 'Model:' }).click();
			await expectAccessible(page);
		});
	});
}
