import { expectAccessibleInBothThemes } from '../fixtures/axe.ts';
import { expect, PASSWORD, signIn, test } from '../fixtures/test.ts';

test('signing in: a wrong password, the right one, back to where one wanted to go, and out', async ({
	page,
	newPerson,
	provoked
}) => {
	provoked.push(/401 .*auth\/login/);
	const person = await newPerson();
	await page.goto('/queue?state=failed');
	await expect(page).toHaveURL(/\/sign-in\?next=/);

	await page.getByLabel('Email or user name').fill(person.username);
	await page.getByLabel('Password').fill('not the password');
	await page.getByRole('button', { name: 'Sign in' }).click();
	await expect(page.getByRole('alert')).toHaveText('The name or the password is not right.');

	await page.getByLabel('Password').fill(PASSWORD);
	await page.keyboard.press('Enter');
	await expect(page).toHaveURL(/\/queue\?state=failed$/);

	await page.getByRole('button', { name: person.username }).click();
	await page.getByRole('menuitem', { name: 'Sign out' }).click();
	await expect(page).toHaveURL(/\/sign-in/);
	await page.goto('/queue');
	await expect(page).toHaveURL(/\/sign-in/);
});

test('next leads nowhere else', async ({ page, newPerson }) => {
	const person = await newPerson();
	await page.goto('/sign-in?next=https://example.com/');
	await page.getByLabel('Email or user name').fill(person.username);
	await page.getByLabel('Password').fill(PASSWORD);
	await page.keyboard.press('Enter');
	await expect(page).toHaveURL(/\/create$/);
});

test('the theme is there before the first paint', async ({ page, me, server, provoked }) => {
	provoked.push(/ERR_FAILED/, /dynamically imported module/);
	expect(me.id).toBeTruthy();
	await page.goto('/create');
	await page.evaluate(() => localStorage.setItem('theme', 'light'));
	// Without the app's own script, what is painted is what theme.js decided.
	await page.route('**/_app/**/*.js', (route) => route.abort());
	await page.goto(server.url, { waitUntil: 'domcontentloaded' });
	await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
});

test('an unknown page is a quiet one', async ({ page, me }) => {
	expect(me.id).toBeTruthy();
	await page.goto('/no/such/page');
	await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
	await expect(page.getByRole('navigation').first()).toBeVisible();
});

test('a one-time password has to be replaced', async ({ page, newPerson, admin }) => {
	const person = await newPerson();
	const { password } = await admin.post<{ password: string }>(
		`/users/${person.id}/reset-password`,
		{}
	);
	await signIn(page, { ...person, password });
	await page.goto('/create');
	await expect(page).toHaveURL(/\/new-password/);
	await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
	await expectAccessibleInBothThemes(page);
});
