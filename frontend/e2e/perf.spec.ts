import type { CDPSession, Page } from '@playwright/test';
import { expect, signIn, test } from './fixtures/test.ts';

/** A large library of test data: it stays smooth, small and whole. */
const ASSETS = Number(process.env.PERF_ASSETS ?? 100_000);
const JOBS = 3_000;
/** A frame of a 60 Hz screen may be late once; CI machines draw in software. */
const P95_FRAME_MS = 34;
/** As above; what is aimed at is 55. */
const LEAST_SWEEP_FPS = 30;
const MOST_SHIFT = 0.05;
const MOST_TILES = 120;
const MOST_HEAP = 60e6;
const LCP_MS = 2_500;

const LIBRARY = 'ul[aria-label=Library]';

test.setTimeout(900_000);

test('a large library', async ({ page, newPerson, server }) => {
	const person = await newPerson({ quotas: { max_assets: ASSETS + 1_000 } });
	await server.seed(person.email, ASSETS);
	await signIn(page, person);
	const cdp = await page.context().newCDPSession(page);
	await page.addInitScript(() => {
		const seen = { lcp: 0, shift: 0 };
		Object.assign(window, { seen });
		new PerformanceObserver((list) => {
			for (const entry of list.getEntries()) seen.lcp = entry.startTime;
		}).observe({ type: 'largest-contentful-paint', buffered: true });
		new PerformanceObserver((list) => {
			for (const entry of list.getEntries() as (PerformanceEntry & { value: number })[])
				seen.shift += entry.value;
		}).observe({ type: 'layout-shift', buffered: true });
	});
	await page.goto('/gallery');
	await expect(page.locator(`${LIBRARY} img`).first()).toBeVisible();
	await expect(page.getByText(`${ASSETS.toLocaleString('en')} items`).first()).toBeVisible();
	const lcp = await page.evaluate(() => (window as unknown as Seen).seen.lcp);

	const scrolls: Record<string, number> = {};
	for (const speed of [1_500, 4_000]) {
		const p95 = await bestScroll(page, cdp, speed);
		scrolls[`p95 frame at ${speed} px/s`] = p95;
		expect(p95, `p95 frame at ${speed} px/s`).toBeLessThanOrEqual(P95_FRAME_MS);
	}

	scrolls['frames a second from end to end'] = await sweep(page);
	expect(scrolls['frames a second from end to end']).toBeGreaterThanOrEqual(LEAST_SWEEP_FPS);
	await page.locator(LIBRARY).evaluate((list) => {
		list.parentElement!.scrollTop = list.parentElement!.scrollHeight;
	});
	const last = page.locator(`${LIBRARY} [data-place="${ASSETS - 1}"]`);
	await expect(last.locator('img')).toBeVisible();
	await page.locator(LIBRARY).evaluate((list) => (list.parentElement!.scrollTop = 0));
	await expect(page.locator(`${LIBRARY} [data-place="0"] img`)).toBeVisible();

	await cdp.send('HeapProfiler.collectGarbage');
	const { usedSize } = await cdp.send('Runtime.getHeapUsage');
	const shift = await page.evaluate(() => (window as unknown as Seen).seen.shift);
	const tiles = await page.locator(`${LIBRARY} > li`).count();
	console.log({ assets: ASSETS, lcp, ...scrolls, shift, tiles, heap: usedSize });
	expect(lcp, 'largest contentful paint').toBeLessThanOrEqual(LCP_MS);
	expect(shift, 'layout shift').toBeLessThanOrEqual(MOST_SHIFT);
	expect(tiles, 'tiles in the document').toBeLessThanOrEqual(MOST_TILES);
	expect(usedSize, 'heap').toBeLessThanOrEqual(MOST_HEAP);
});

test('a long queue', async ({ page, newPerson }) => {
	const person = await newPerson({ quotas: { max_daily_jobs: JOBS } });
	const job = {
		provider_id: 'local',
		operation_type: 'text_to_video',
		params: { prompt: 'one of many' },
		scheduled_at: new Date(Date.now() + 86_400_000).toISOString(),
		count: 50
	};
	for (let made = 0; made < JOBS; made += 100)
		await person.api.post('/jobs/batch', { jobs: [job, job] });
	await signIn(page, person);
	const cdp = await page.context().newCDPSession(page);
	await page.goto('/queue?state=scheduled');
	await expect(page.getByText('one of many').first()).toBeVisible();
	const p95 = await bestScroll(page, cdp, 4_000);
	const rows = await page.getByText('one of many').count();
	console.log({ jobs: JOBS, 'p95 frame at 4000 px/s': p95, rows });
	expect(p95).toBeLessThanOrEqual(P95_FRAME_MS);
	expect(rows, 'rows in the document').toBeLessThanOrEqual(60);
});

type Seen = { seen: { lcp: number; shift: number } };

/** The best of five: what else the machine does meanwhile is not the app's doing. */
async function bestScroll(page: Page, cdp: CDPSession, speed: number): Promise<number> {
	let best = Infinity;
	for (let turn = 0; turn < 5 && best > P95_FRAME_MS / 2; turn++)
		best = Math.min(best, await scrollAt(page, cdp, speed));
	return best;
}

/** The 95th percentile of frame times while scrolling for about two seconds. */
async function scrollAt(page: Page, cdp: CDPSession, speed: number): Promise<number> {
	await page.evaluate(() => {
		const frames: number[] = [];
		let before = performance.now();
		const watch = (now: number) => {
			frames.push(now - before);
			before = now;
			if (!(window as unknown as { isOver?: boolean }).isOver) requestAnimationFrame(watch);
		};
		Object.assign(window, { frames, isOver: false });
		requestAnimationFrame(watch);
	});
	await cdp.send('Input.synthesizeScrollGesture', {
		x: 700,
		y: 500,
		yDistance: -speed * 2,
		speed,
		gestureSourceType: 'mouse'
	});
	return page.evaluate(() => {
		const { frames } = Object.assign(window, { isOver: true }) as unknown as { frames: number[] };
		const sorted = frames.toSorted((a, b) => a - b);
		return Math.round(sorted[Math.floor(sorted.length * 0.95)]! * 10) / 10;
	});
}

/** Frames a second while the whole library passes by in ten seconds. */
async function sweep(page: Page): Promise<number> {
	return page.locator(LIBRARY).evaluate(async (list) => {
		const box = list.parentElement!;
		const FRAMES = 600;
		const length = box.scrollHeight - box.clientHeight;
		const started = performance.now();
		for (let frame = 1; frame <= FRAMES; frame++) {
			box.scrollTop = (length * frame) / FRAMES;
			await new Promise(requestAnimationFrame);
		}
		return Math.round((FRAMES * 10_000) / (performance.now() - started)) / 10;
	});
}
