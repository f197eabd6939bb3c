import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PAGE_SIZE, Windows } from './windows.svelte.ts';

interface Item {
	id: string;
	rating: number;
}

const itemAt = (place: number): Item => ({ id: `id-${place}`, rating: 0 });

function pageOf(page: number): (Item | null)[] {
	return Array.from({ length: PAGE_SIZE }, (_, i) => itemAt(page * PAGE_SIZE + i));
}

describe('windows', () => {
	beforeEach(() => void vi.useFakeTimers());
	afterEach(() => void vi.useRealTimers());

	const settle = () => vi.advanceTimersByTimeAsync(0);

	it('load the pages on screen, once', async () => {
		const load = vi.fn(async (page: number) => pageOf(page));
		const windows = new Windows(load, 10_000);
		windows.show(100, 200);
		await settle();
		windows.show(110, 210);
		await settle();
		expect(load.mock.calls.map(([page]) => page)).toEqual([0, 1]);
		expect(windows.at(130)).toEqual(itemAt(130));
		expect(windows.at(5000)).toBeUndefined();
		expect(windows.placeOf('id-130')).toBe(130);
	});

	it('wait while tiles fly by, and then ask for the last place only', async () => {
		const load = vi.fn(async (page: number) => pageOf(page));
		const windows = new Windows(load, 100_000);
		windows.show(1000, 1050, 12);
		windows.show(50_000, 50_050, 12);
		await vi.advanceTimersByTimeAsync(60);
		expect(load).not.toHaveBeenCalled();
		await vi.advanceTimersByTimeAsync(40);
		expect(load.mock.calls.map(([page]) => page)).toEqual([390, 391]);
	});

	it('abort what has left the screen', async () => {
		const signals: AbortSignal[] = [];
		const windows = new Windows((_, signal) => {
			signals.push(signal);
			return new Promise<Item[]>(() => {});
		}, 100_000);
		windows.show(0, 50);
		windows.show(50_000, 50_050);
		expect(signals.map((signal) => signal.aborted)).toEqual([true, false, false]);
	});

	it('keep sixty pages, and drop the ones seen longest ago', async () => {
		const load = vi.fn(async (page: number) => pageOf(page));
		const windows = new Windows(load, 100_000);
		for (let page = 0; page < 70; page++) {
			windows.show(page * PAGE_SIZE, page * PAGE_SIZE + 1);
			await settle();
		}
		expect(windows.at(0)).toBeUndefined();
		expect(windows.at(69 * PAGE_SIZE)).toBeDefined();
		expect([...windows.loaded()]).toHaveLength(60 * PAGE_SIZE);
	});

	it('tell failures, and ask again when told to', async () => {
		let broken = true;
		const windows = new Windows(async (page: number) => {
			if (broken) throw new Error('away');
			return pageOf(page);
		}, 10_000);
		windows.show(0, 50);
		await settle();
		expect(windows.failures.size).toBe(1);
		broken = false;
		windows.retry();
		await settle();
		expect(windows.failures.size).toBe(0);
		expect(windows.at(0)).toBeDefined();
	});

	it('patch and remove in place', async () => {
		const windows = new Windows(async (page: number) => pageOf(page), 10_000);
		windows.show(0, 50);
		await settle();
		windows.patch(new Set(['id-3']), (item) => ({ ...item, rating: 5 }));
		expect(windows.at(3)?.rating).toBe(5);
		windows.remove(['id-4']);
		expect(windows.at(4)).toBeNull();
		expect(windows.at(5)?.id).toBe('id-5');
		windows.restore(['id-4']);
		expect(windows.at(4)?.id).toBe('id-4');
	});

	it('give a whole range, loading what is missing, without the holes', async () => {
		const windows = new Windows(async (page: number) => {
			const items = pageOf(page);
			items[0] = null;
			return items;
		}, 10_000);
		const items = await windows.range(100, 600);
		expect(items[0]?.id).toBe('id-100');
		expect(items.at(-1)?.id).toBe('id-599');
		expect(items).toHaveLength(500 - 4);
	});
});
