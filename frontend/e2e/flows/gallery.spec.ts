import { readFile } from 'node:fs/promises';
import type { Locator, Page } from '@playwright/test';
import { colouredPng } from '../fixtures/png.ts';
import { expect, signIn, test as base, type Person } from '../fixtures/test.ts';

/** More than fits on a screen, made once for all tests here. */
const MANY = 400;
const test = base.extend<object, { collector: Person }>({
	collector: [
		async ({ newPerson, server }, use) => {
			const collector = await newPerson();
			await server.seed(collector.email, MANY);
			await use(collector);
		},
		{ scope: 'worker', timeout: 120_000 }
	]
});

/** A library of pictures, the first named first. */
async function fill(me: Person, names: string[]): Promise<string[]> {
	const ids: string[] = [];
	for (const [index, name] of names.entries())
		ids.push(await me.api.upload(`${name}.png`, colouredPng(index + 1), 'image/png'));
	return ids;
}

function tile(page: Page, name: string): Locator {
	return page.getByRole('link', { name: new RegExp(`^Image: ${name}`) });
}

async function select(page: Page, name: string) {
	await tile(page, name).hover();
	await page.getByRole('button', { name: new RegExp(`^Select Image: ${name}`) }).click();
}

const selection = (page: Page) => page.getByRole('toolbar', { name: 'Selection' });

test('finding by words: in the URL, and the same after a reload', async ({ page, me }) => {
	await fill(me, ['red fox', 'blue whale', 'red panda']);
	await page.goto('/gallery');
	const tiles = page.getByRole('list', { name: 'Library' }).getByRole('listitem');
	await expect(tiles).toHaveCount(3);

	await page.getByRole('textbox', { name: /^Search/ }).fill('red');
	await expect(tiles).toHaveCount(2);
	await expect(page).toHaveURL(/q=red/);
	await page.reload();
	await expect(tiles).toHaveCount(2);
	await expect(page.getByRole('textbox', { name: /^Search/ })).toHaveValue('red');

	await page.getByRole('textbox', { name: /^Search/ }).fill('unicorn');
	await expect(page.getByText('Nothing matches')).toBeVisible();
	await page.getByRole('button', { name: 'Clear all' }).last().click();
	await expect(tiles).toHaveCount(3);
});

test('comparing two, and back to the grid', async ({ page, me }) => {
	await fill(me, ['left', 'right']);
	await page.goto('/gallery');
	await select(page, 'left');
	await select(page, 'right');
	await selection(page).getByRole('button', { name: 'Compare' }).click();

	const comparison = page.getByRole('dialog', { name: 'Compare' });
	await expect(comparison.getByRole('img')).toHaveCount(2);
	await comparison.getByRole('radio', { name: 'Slider' }).click();
	await expect(comparison.getByRole('slider', { name: 'Share of the first' })).toBeVisible();
	await page.keyboard.press('Escape');
	await expect(comparison).toBeHidden();
	await expect(tile(page, 'left')).toBeVisible();
});

test('several as one zip', async ({ page, me }) => {
	await fill(me, ['one', 'two', 'three']);
	await page.goto('/gallery');
	await select(page, 'one');
	await select(page, 'three');
	const download = page.waitForEvent('download');
	await selection(page).getByRole('button', { name: 'Download' }).click();
	const archive = await readFile(await (await download).path());
	const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
	expect(archive.readUInt16LE(end + 10), 'files in the archive').toBe(2);
});

test('deleting, and taking it back', async ({ page, me }) => {
	await fill(me, ['keeper', 'goner']);
	await page.goto('/gallery');
	await select(page, 'goner');
	await selection(page).getByRole('button', { name: 'Delete' }).click();
	await expect(tile(page, 'goner')).toHaveCount(0);
	await expect(tile(page, 'keeper')).toBeVisible();
	await page.getByRole('button', { name: 'Undo' }).click();
	await expect(tile(page, 'goner')).toBeVisible();

	await select(page, 'goner');
	await page.keyboard.press('Delete');
	await expect(tile(page, 'goner')).toHaveCount(0);
	await page.goto('/gallery/trash');
	await expect(tile(page, 'goner')).toBeVisible();
});

test('a range, then all of them, moved to a workspace', async ({ page, collector }) => {
	await signIn(page, collector);
	const workspace = await collector.api.post<{ id: string }>('/workspaces', { name: 'Moon trip' });
	await page.goto('/gallery');
	const tiles = page.getByRole('list', { name: 'Library' }).getByRole('link');
	await tiles.nth(1).hover();
	await page.getByRole('button', { name: /^Select / }).click();
	await tiles.nth(4).click({ modifiers: ['Shift'] });
	await expect(selection(page).getByText('4 selected')).toBeVisible();

	await selection(page)
		.getByRole('button', { name: `Select all ${MANY}` })
		.click();
	await expect(selection(page).getByText(`${MANY} selected`)).toBeVisible();
	await selection(page).getByRole('button', { name: 'Move to' }).click();
	await page.getByRole('dialog').getByRole('button', { name: 'Moon trip' }).click();
	await expect(page.getByText(`${MANY} items moved to Moon trip`)).toBeVisible();
	const { total } = await collector.api.get<{ total: number }>(
		`/assets/facets?workspace_id=${workspace.id}`
	);
	expect(total).toBe(MANY);
});

test('Back returns to the same place', async ({ page, collector }) => {
	await signIn(page, collector);
	await page.goto('/gallery');
	const list = page.getByRole('list', { name: 'Library' });
	await expect(list.getByRole('link').first()).toBeVisible();
	await page.mouse.move(700, 500);
	await page.mouse.wheel(0, 3000);
	await expect.poll(() => topOf(page)).toBeGreaterThan(10);

	const place = await topOf(page);
	await list
		.locator(`[data-place="${place + 8}"]`)
		.getByRole('link')
		.click();
	await expect(page.getByRole('dialog')).toBeVisible();
	await page.goBack();
	await expect(page.getByRole('dialog')).toBeHidden();
	expect(Math.abs((await topOf(page)) - place)).toBeLessThan(8);

	await page.getByRole('link', { name: 'Queue' }).click();
	await expect(page.getByRole('heading', { name: 'Queue' })).toBeVisible();
	await page.goBack();
	await expect.poll(async () => Math.abs((await topOf(page)) - place)).toBeLessThan(8);
});

/** The first tile that is wholly in view. */
function topOf(page: Page): Promise<number> {
	return page.evaluate(() => {
		const list = document.querySelector('ul[aria-label=Library]');
		const top = list?.parentElement?.getBoundingClientRect().top ?? 0;
		const places = [...(list?.querySelectorAll<HTMLElement>('[data-place]') ?? [])]
			.filter((item) => item.getBoundingClientRect().top >= top)
			.map((item) => Number(item.dataset.place));
		return Math.min(...places);
	});
}
