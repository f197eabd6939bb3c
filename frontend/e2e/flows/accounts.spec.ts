import { expect, test } from '../fixtures/test.ts';

test('an account is added, tested, used, and its credits fall', async ({ page, me, simulator }) => {
	await page.goto('/accounts');
	await page.getByRole('button', { name: 'Add account' }).first().click();
	const form = page.getByRole('dialog', { name: 'Add account' });
	await form.getByRole('textbox', { name: 'Name' }).fill('Studio');
	await form.getByLabel('API key').fill('sk-wrong');
	await form.getByText('Limits and address').click();
	await form.getByLabel('Address of the API').fill(simulator.baseUrl);
	await form.getByRole('button', { name: 'Test' }).click();
	await expect(form.getByRole('status')).toHaveText(/\S/);
	await form.getByLabel('API key').fill(simulator.key);
	await form.getByRole('button', { name: 'Test' }).click();
	await expect(form.getByRole('status')).toContainText('10,000 credits left');
	await form.getByRole('button', { name: 'Save' }).click();
	await expect(form).toBeHidden();

	const credits = page.getByRole('row', { name: /Studio/ }).getByRole('meter', { name: 'Credits' });
	await expect(credits).toHaveAttribute('aria-valuetext', /^10,000 left/);
	await me.api.post('/jobs', {
		provider_id: 'pixverse',
		operation_type: 'text_to_video',
		params: { prompt: 'a fox in the snow', model: 'v5.5', duration: 5, quality: '360p' }
	});
	await expect(credits).not.toHaveAttribute('aria-valuetext', /^10,000 left/, { timeout: 30_000 });
	await expect(credits).toHaveAttribute('aria-valuetext', /^9,\d{3} left/);

	// The key is never shown again.
	expect(await page.content()).not.toContain(simulator.key);
});
