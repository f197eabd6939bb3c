import { colouredPng } from '../fixtures/png.ts';
import { expect, signIn, test } from '../fixtures/test.ts';

test('a form error, then right, and watched to the end without a reload', async ({ page, me }) => {
	await page.goto('/create');
	const prompt = page.getByRole('textbox', { name: 'Prompt' });
	const generate = page.getByRole('button', { name: 'Generate', exact: true });
	await expect(page.getByText('Free')).not.toHaveCount(0);

	await generate.click();
	await expect(prompt).toHaveAttribute('aria-invalid', 'true');
	await expect(prompt).toHaveAccessibleDescription(/\S/);
	await expect(prompt).toBeFocused();

	await prompt.fill('a lighthouse in the storm');
	await expect(prompt).not.toHaveAttribute('aria-invalid');
	await page.getByRole('slider', { name: 'Duration' }).press('Home');
	await page.getByRole('radio', { name: '360p' }).click();
	await page.getByRole('button', { name: 'One more' }).click();

	await page.evaluate(() => Object.assign(window, { isSamePage: true }));
	await generate.click();
	const run = page.getByRole('list', { name: 'Results' });
	await expect(run.getByRole('listitem')).toHaveCount(2);
	const films = run.getByRole('link', { name: 'Film, 0:01, a lighthouse in the storm' });
	await expect(films).toHaveCount(2, { timeout: 90_000 });
	expect(await page.evaluate(() => 'isSamePage' in window)).toBe(true);
	expect((await me.api.get<{ items: unknown[] }>('/assets')).items).toHaveLength(2);
});

test('what is written outlasts a reload', async ({ page, me }) => {
	expect(me.id).toBeTruthy();
	await page.goto('/create');
	await page.getByRole('textbox', { name: 'Prompt' }).fill('half a thought');
	await expect
		.poll(() => page.evaluate(() => JSON.stringify({ ...localStorage })))
		.toContain('half a thought');
	await page.reload();
	await expect(page.getByRole('textbox', { name: 'Prompt' })).toHaveValue('half a thought');
});

test('beyond the quota: said before the run, with numbers, and the words stay', async ({
	page,
	newPerson
}) => {
	const person = await newPerson({ quotas: { max_daily_jobs: 1 } });
	await person.api.makeFilm('the only one of today');
	await signIn(page, person);
	await page.goto('/create');
	await page.getByRole('textbox', { name: 'Prompt' }).fill('one too many');
	await expect(page.getByRole('link', { name: 'Needs 1 more job today' })).toBeVisible();
	await expect(page.getByText('1 of 1 jobs of today are used.')).toBeVisible();
	await expect(page.getByRole('textbox', { name: 'Prompt' })).toHaveValue('one too many');
});

test('remix takes the recipe, extend takes the film', async ({ page, me }) => {
	const [film] = await me.api.films(['a kite over dunes'], { seed: 7 });
	await page.goto(`/gallery?asset=${film!.id}`);
	await page.getByRole('link', { name: 'Remix', exact: true }).click();
	const prompt = page.getByRole('textbox', { name: 'Prompt' });
	await expect(prompt).toHaveValue('a kite over dunes');
	await expect(page.getByRole('button', { name: 'Quality:' })).toContainText('360p');

	await page.goto(`/gallery?asset=${film!.id}`);
	await page.getByRole('link', { name: 'Extend', exact: true }).click();
	await expect(page.getByRole('button', { name: 'Operation:' })).toContainText(/extend/i);
	await prompt.fill('and on it flies');
	await page.getByRole('button', { name: 'Generate', exact: true }).click();
	const longer = page.getByRole('link', { name: /^Film, 0:.*and on it flies/ });
	await expect(longer).toBeVisible({ timeout: 90_000 });

	await longer.click();
	await expect(page.getByRole('heading', { name: 'Lineage' })).toBeVisible();
});

for (const way of ['paste', 'drop'] as const) {
	test(`a picture comes by ${way}, and the operation follows`, async ({ page, me }) => {
		expect(me.id).toBeTruthy();
		await page.goto('/create');
		await expect(page.getByRole('button', { name: 'Operation:' })).toContainText('Text to video');
		const bytes = Array.from(colouredPng(way === 'paste' ? 11 : 12));
		await page.getByRole('textbox', { name: 'Prompt' }).evaluate(
			(prompt, { kind, content }) => {
				const data = new DataTransfer();
				data.items.add(new File([Uint8Array.from(content)], 'a.png', { type: 'image/png' }));
				const told = { bubbles: true, cancelable: true };
				prompt.dispatchEvent(
					kind === 'paste'
						? new ClipboardEvent('paste', { ...told, clipboardData: data })
						: new DragEvent('drop', { ...told, dataTransfer: data })
				);
			},
			{ kind: way, content: bytes }
		);
		await expect(page.getByRole('button', { name: /^Remove / })).toBeAttached();
		await expect(page.getByRole('button', { name: 'Operation:' })).toContainText('Image to video');
		await page.getByRole('textbox', { name: 'Prompt' }).fill(`moved after ${way}`);
		await page.getByRole('button', { name: 'Generate', exact: true }).click();
		await expect(page.getByRole('link', { name: new RegExp(`moved after ${way}`) })).toBeVisible({
			timeout: 90_000
		});
	});
}
