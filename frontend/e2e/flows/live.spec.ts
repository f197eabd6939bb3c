import { Server } from '../fixtures/server.ts';
import { expect, PASSWORD, signIn, test } from '../fixtures/test.ts';

test('two tabs say the same', async ({ page, context, me }) => {
	await page.goto('/queue?state=done');
	const second = await context.newPage();
	await second.goto('/create');
	await second.getByRole('textbox', { name: 'Prompt' }).waitFor();
	await me.api.makeFilm('seen in both tabs');
	await expect(page.getByRole('link', { name: 'seen in both tabs' })).toBeVisible({
		timeout: 90_000
	});
	await expect(second.getByRole('link', { name: /seen in both tabs/ })).toBeVisible();

	// The one that listened goes; the other takes over.
	await page.close();
	await me.api.makeFilm('seen by the one that is left');
	await expect(second.getByRole('link', { name: /seen by the one that is left/ })).toBeVisible({
		timeout: 90_000
	});
});

test('a session that is revoked elsewhere ends at once', async ({
	page,
	me,
	newBrowser,
	provoked
}) => {
	provoked.push(/401 /);
	await page.goto('/create');
	await page.getByRole('textbox', { name: 'Prompt' }).fill('kept through it all');
	const other = await newBrowser();
	await signIn(other, me);
	await other.goto('/settings/sessions');
	const sessions = other.getByRole('listitem').filter({ hasText: 'signed in' });
	await sessions
		.filter({ hasText: 'Chrom' })
		.filter({ hasNotText: 'This one' })
		.getByRole('button', { name: 'Sign out' })
		.first()
		.click();

	const dialog = page.getByRole('alertdialog').or(page.getByRole('dialog'));
	await expect(dialog).toContainText('Your session has ended');
	await dialog.getByLabel('Password').fill(PASSWORD);
	await dialog.getByRole('button', { name: 'Sign in' }).click();
	await expect(dialog).toBeHidden();
	await expect(page.getByRole('textbox', { name: 'Prompt' })).toHaveValue('kept through it all');
});

const own = test.extend<{ ownServer: Server }>({
	ownServer: async ({ complaints }, use) => {
		expect(complaints).toEqual([]);
		const server = await Server.start();
		await use(server);
		await server.remove();
	}
});

own('the server goes and comes back', async ({ ownServer, newBrowser, provoked }) => {
	provoked.push(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY|ERR_CONNECTION_RESET/);
	provoked.push(/Unable to preload|dynamically imported module/); // parts that were on their way
	const admin = await ownServer.setUp();
	const page = await newBrowser({ baseURL: ownServer.url });
	await signIn(page, { email: 'admin@example.com', password: PASSWORD });
	await page.goto('/create');
	await page.getByRole('textbox', { name: 'Prompt' }).fill('written before it went');

	await ownServer.stop();
	await expect(page.getByText('Reconnecting…')).toBeVisible();
	await expect(page.getByRole('button', { name: 'Generate', exact: true })).toHaveAttribute(
		'aria-disabled',
		'true'
	);

	await ownServer.startAgain();
	await expect(page.getByText('Reconnecting…')).toBeHidden({ timeout: 30_000 });
	await expect(page.getByRole('textbox', { name: 'Prompt' })).toHaveValue('written before it went');
	await admin.makeFilm('made after it came back');
	await expect(page.getByRole('link', { name: /made after it came back/ })).toBeVisible({
		timeout: 90_000
	});
});
