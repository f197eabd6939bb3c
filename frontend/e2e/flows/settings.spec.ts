import { expect, PASSWORD, signIn, test } from '../fixtures/test.ts';

test('a token is made, shown once, works, and is revoked', async ({ page, me, server }) => {
	expect(me.id).toBeTruthy();
	await page.goto('/settings/tokens');
	await page.getByRole('button', { name: 'Make token' }).first().click();
	const form = page.getByRole('dialog', { name: 'Make a token' });
	await form.getByLabel('Name').fill('nightly script');
	await form.getByRole('button', { name: 'Make token' }).click();

	const shown = page.getByRole('textbox', { name: 'The token' });
	await expect(shown).toHaveValue(/^px7_/);
	const token = await shown.inputValue();
	const ask = () =>
		fetch(`${server.url}/api/v1/auth/me`, { headers: { Authorization: `Bearer ${token}` } });
	expect((await ask()).status).toBe(200);
	await page.getByRole('button', { name: 'I have kept it' }).click();
	await page.reload();
	await expect(page.getByText('nightly script')).toBeVisible();
	expect(await page.content()).not.toContain(token);

	await page.getByRole('button', { name: 'Revoke nightly script' }).click();
	await page.getByRole('button', { name: 'Revoke token' }).click();
	await expect(page.getByRole('button', { name: 'Revoke nightly script' })).toHaveCount(0);
	expect((await ask()).status).toBe(401);
});

test('the theme that is chosen stays', async ({ page, me }) => {
	expect(me.id).toBeTruthy();
	await page.goto('/settings/appearance');
	await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
	await page.getByRole('radio', { name: 'Light' }).click();
	await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
	await page.reload();
	await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
});

test('an administrator adds a person and sets a quota', async ({ page, newPerson, newBrowser }) => {
	const admin = await newPerson({ role: 'admin' });
	await signIn(page, admin);
	await page.goto('/admin/users');
	await page.getByRole('button', { name: 'Add person' }).first().click();
	const form = page.getByRole('dialog');
	const name = `n${admin.username}`;
	await form.getByLabel('User name').fill(name);
	await form.getByLabel('Email').fill(`${name}@example.com`);
	await form.getByLabel('Password').fill(PASSWORD);
	await form.getByRole('button', { name: /^Add/ }).click();
	await expect(form).toBeHidden();
	await page
		.getByRole('searchbox')
		.or(page.getByPlaceholder(/search/i))
		.first()
		.fill(name);
	await expect(page.getByText(`${name}@example.com`)).toBeVisible();

	const theirs = await newBrowser();
	await signIn(theirs, { email: `${name}@example.com`, password: PASSWORD });
	await theirs.goto('/create');
	await expect(theirs.getByRole('textbox', { name: 'Prompt' })).toBeVisible();
});
