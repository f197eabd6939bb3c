import { expect, signIn, test } from '../fixtures/test.ts';

test('a second person sees nothing of the first', async ({ page, newPerson, provoked }) => {
	provoked.push(/404 .*\/(assets|jobs)\//);
	const first = await newPerson();
	const second = await newPerson();
	const [film] = await first.api.films(['nobody else sees this']);
	await signIn(page, second);

	await page.goto('/create');
	await expect(page.getByText('Make something')).toBeVisible();
	await page.goto('/gallery');
	await expect(page.getByText('Nothing made yet')).toBeVisible();
	await page.goto('/queue?state=done');
	await expect(page.getByText('nobody else sees this')).toHaveCount(0);
	await page.goto(`/gallery?asset=${film!.id}`);
	await expect(page.getByText('This asset could not be read')).toBeVisible();
	await page.goto(`/queue/${film!.job_id}`);
	await expect(page.getByRole('main')).not.toContainText('nobody else sees this');
	await expect(page.getByRole('main')).toContainText(/no such|not|unknown/i);

	await page.goto('/admin/users');
	await expect(page.getByText("You can't see this")).toBeVisible();
});
