/**
 * How fast the gallery is with a large library, against a server that is running and seeded:
 *
 *   pixsim7 serve --no-worker; pixsim7 seed --email EMAIL --assets 100000
 *   PERF_URL=… PERF_EMAIL=… PERF_PASSWORD=… npx playwright test e2e/perf
 */
import { expect, test, type CDPSession, type Page } from '@playwright/test';

const { PERF_URL = '', PERF_EMAIL = '', PERF_PASSWORD = '' } = process.env;
/** Frames a second that must be reached; a busy machine needs less. */
const LEAST_FPS = Number(process.env.PERF_LEAST_FPS ?? 55);
const FIRST_PICTURE_MS = Number(process.env.PERF_FIRST_PICTURE_MS ?? 1000);
const MOST_TILES = 120;
const MOST_HEAP_MB = 60;

test.skip(!PERF_URL, 'needs a running, seeded server');
test.use({ baseURL: PERF_URL });
test.setTimeout(180_000);

async function signIn(page: Page): Promise<void> {
	const answer = await page.request.post('/api/v1/auth/login', {
		data: { email: PERF_EMAIL, password: PERF_PASSWORD, cookie: true },
		headers: { 'X-PixSim7-Client': 'web', Origin: PERF_URL }
	});
	expect(answer.ok()).toBe(true);
	const { user } = await answer.json();
	await page.addInitScript((id) => localStorage.setItem('pixsim7:user', id), user.id);
}

async function openGallery(page: Page): Promise<CDPSession> {
	await signIn(page);
	await page.goto('/gallery');
	await page.locator('[data-place] img').first().waitFor();
	return page.context().newCDPSession(page);
}

/** The times between frames while something goes on. */
async function framesDuring(page: Page, action: () => Promise<unknown>): Promise<number[]> {
	await page.evaluate(() => {
		const deltas: number[] = [];
		let last = performance.now();
		const state = { isOn: true, deltas };
		Object.assign(globalThis, { perfFrames: state });
		requestAnimationFrame(function frame(now) {
			deltas.push(now - last);
			last = now;
			if (state.isOn) requestAnimationFrame(frame);
		});
	});
	await action();
	return page.evaluate(() => {
		const { perfFrames } = globalThis as unknown as {
			perfFrames: { isOn: boolean; deltas: number[] };
		};
		perfFrames.isOn = false;
		return perfFrames.deltas.slice(1);
	});
}

function report(what: string, deltas: number[]): number {
	const sorted = [...deltas].sort((one, other) => one - other);
	const mean = sorted.reduce((sum, delta) => sum + delta, 0) / sorted.length;
	const p95 = sorted[Math.floor(sorted.length * 0.95)]!;
	const fps = 1000 / mean;
	console.log(
		`${what}: ${fps.toFixed(1)} fps, p95 ${p95.toFixed(1)} ms, worst ${sorted.at(-1)!.toFixed(0)} ms, ` +
			`${deltas.length} frames`
	);
	return fps;
}

function scroll(cdp: CDPSession, distance: number, speed: number) {
	return cdp.send('Input.synthesizeScrollGesture', {
		x: 720,
		y: 500,
		yDistance: -distance,
		speed,
		gestureSourceType: 'mouse',
		preventFling: true
	});
}

test('the first picture is there within a second', async ({ page }) => {
	await signIn(page);
	const seen = async () => {
		await page.goto('/gallery');
		const image = page.locator('[data-place] img').first();
		await image.waitFor();
		return image.evaluate(async (element) => {
			await (element as HTMLImageElement).decode();
			return performance.now();
		});
	};
	console.log(`first picture, cold: ${Math.round(await seen())} ms`);
	const warm = await seen();
	console.log(`first picture, warm: ${Math.round(warm)} ms`);
	expect(warm).toBeLessThan(FIRST_PICTURE_MS);
});

test('scrolling is smooth, with few tiles in the page', async ({ page }) => {
	const cdp = await openGallery(page);
	for (const speed of [1500, 4000]) {
		const deltas = await framesDuring(page, () => scroll(cdp, speed * 5, speed));
		expect(report(`${speed} px/s`, deltas)).toBeGreaterThanOrEqual(LEAST_FPS);
	}
	const tiles = await page.locator('[data-place]').count();
	await cdp.send('HeapProfiler.collectGarbage');
	const { usedSize } = await cdp.send('Runtime.getHeapUsage');
	console.log(`tiles in the page: ${tiles}, heap: ${(usedSize / 1e6).toFixed(1)} MB`);
	expect(tiles).toBeLessThanOrEqual(MOST_TILES);
	expect(usedSize / 1e6).toBeLessThanOrEqual(MOST_HEAP_MB);
});

test('both ends are reached, and everywhere between', async ({ page }) => {
	await openGallery(page);
	const total = Number(await page.locator('[data-place]').first().getAttribute('aria-setsize'));
	await page.locator('[data-place="0"] a').focus();
	await page.keyboard.press('End');
	await expect(page.locator(`[data-place="${total - 1}"] img`)).toBeVisible();
	await page.keyboard.press('Home');
	await expect(page.locator('[data-place="0"] img')).toBeVisible();

	const jumps = 40;
	const deltas = await framesDuring(page, async () => {
		for (let jump = 0; jump < jumps; jump++) {
			await page.evaluate(
				(share) => {
					const box = document.querySelector('.scroll-box')!;
					box.scrollTop = share * (box.scrollHeight - box.clientHeight);
				},
				(jump * 0.618) % 1
			);
			await page.evaluate(() => new Promise(requestAnimationFrame));
		}
	});
	report(`${jumps} jumps`, deltas);
	await expect(page.locator('[data-place] img').first()).toBeVisible();
});
