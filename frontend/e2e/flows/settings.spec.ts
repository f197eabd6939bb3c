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

test('an administrator adds a person and sets what they may use', async ({
	page,
	newPerson,
	newBrowser
}) => {
	const admin = await newPerson({ role: 'admin' });
	const name = `n${admin.username}`;
	await signIn(page, admin);
	await page.goto('/admin/users');
	await page.getByRole('button', { name: 'Add person' }).first().click();
	const adding = page.getByRole('dialog', { name: 'Add person' });
	await adding.getByLabel('User name').fill(name);
	await adding.getByLabel('Email').fill(`${name}@example.com`);
	await adding.getByRole('button', { name: 'Add person' }).click();
	const password = await page.getByRole('textbox', { name: 'One-time password' }).inputValue();
	await page.getByRole('button', { name: 'I have kept it' }).click();

	await page.getByRole('searchbox', { name: 'Search people' }).fill(name);
	await page.getByRole('button', { name: `More for ${name}` }).click();
	await page.getByRole('menuitem', { name: 'Edit' }).click();
	const editing = page.getByRole('dialog');
	await editing.getByLabel('Jobs a day').fill('3');
	await editing.getByRole('button', { name: 'Save' }).click();
	await expect(editing).toBeHidden();

	const theirs = await newBrowser();
	await theirs.goto('/sign-in');
	await theirs.getByLabel('Email or user name').fill(name);
	await theirs.getByLabel('Password').fill(password);
	await theirs.keyboard.press('Enter');
	await theirs.getByLabel('One-time password').fill(password);
	await theirs.getByLabel('New password').fill(PASSWORD);
	await theirs.keyboard.press('Enter');
	await expect(theirs.getByRole('textbox', { name: 'Prompt' })).toBeVisible();
	await theirs.goto('/settings/profile');
	await expect(theirs.getByRole('main')).toContainText(/0 of 3|3 (left|jobs)/);
});
