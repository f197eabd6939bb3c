/** What people do to assets: shown at once, told to the server, undone where that is possible. */
import { copy } from '#lib/clipboard.ts';
import { count, number } from '#lib/format.ts';
import type { Selected } from '#lib/grid/selection.svelte.ts';
import { confirm } from '#lib/ui/confirm.svelte.ts';
import { toastDone, toastError } from '#lib/ui/toasts.ts';
import { bulk, readArchive, type Asset, type BulkResult, type Deed } from './assets.ts';
import type { Library } from './library.svelte.ts';

/** From here on, the number is repeated before anything is taken away. */
const MANY = 50;

export const sizeOf = (selected: Selected, total: number): number =>
	'ids' in selected ? selected.ids.length : total - selected.except.length;

export class Edits {
	constructor(readonly library: Library) {}

	async favourite(selected: Selected, value: boolean): Promise<void> {
		await this.#tell({ action: 'favourite', value }, selected, 'The favourites were not changed');
	}

	async rate(selected: Selected, value: number | null): Promise<void> {
		await this.#tell({ action: 'rate', value }, selected, 'The rating was not changed');
	}

	async tag(selected: Selected, add: string[], take: string[] = []): Promise<void> {
		const failure = 'The tags were not changed';
		if (add.length) await this.#tell({ action: 'tag', value: add }, selected, failure);
		if (take.length) await this.#tell({ action: 'untag', value: take }, selected, failure);
	}

	async move(selected: Selected, workspace: string | null, name: string): Promise<void> {
		const failure = 'Nothing was moved';
		const done = await this.#tell({ action: 'move', value: workspace }, selected, failure);
		if (done) toastDone(`${count(done.matched, 'item')} moved to ${name}`);
	}

	/** Moves to the trash, with ten seconds to take it back. Tells whether it was done. */
	async trash(selected: Selected): Promise<boolean> {
		const size = sizeOf(selected, this.library.total);
		const isMeant =
			size <= MANY ||
			(await confirm({
				title: `Delete ${number(size)} items?`,
				text: 'They go to the trash and stay there for 30 days.',
				action: `Delete ${number(size)} items`,
				isDanger: true
			}));
		if (!isMeant) return false;
		const done = await this.#tell({ action: 'trash' }, selected, 'Nothing was deleted');
		if (!done) return false;
		const undo = async () => {
			const back = await this.#tell({ action: 'restore' }, selected, 'Nothing was brought back');
			if (back) await this.library.refresh();
		};
		toastDone(`${count(done.changed, 'item')} moved to the trash`, {
			undo: () => void undo(),
			text: done.in_use
				? `${count(done.in_use, 'item')} stayed: an unfinished job uses ${done.in_use === 1 ? 'it' : 'them'}.`
				: undefined
		});
		await this.library.refresh();
		return true;
	}

	async restore(selected: Selected): Promise<void> {
		const done = await this.#tell({ action: 'restore' }, selected, 'Nothing was restored');
		if (!done) return;
		toastDone(`${count(done.changed, 'item')} restored`);
		await this.library.refresh();
	}

	async deleteForGood(selected: Selected): Promise<void> {
		const size = sizeOf(selected, this.library.total);
		const isMeant = await confirm({
			title: `Delete ${count(size, 'item')} for good?`,
			text: 'The files are removed. This cannot be undone.',
			action: `Delete ${count(size, 'item')} for good`,
			isDanger: true
		});
		if (!isMeant) return;
		const done = await this.#tell({ action: 'delete' }, selected, 'Nothing was deleted');
		if (!done) return;
		toastDone(`${count(done.changed, 'item')} deleted for good`);
		await this.library.refresh();
	}

	/** One file as it is, several as a zip. */
	async download(selected: Selected, only?: Asset): Promise<void> {
		if (only?.urls.download) return save(only.urls.download, '');
		try {
			const archive = URL.createObjectURL(await readArchive(selected, 'pixsim7'));
			save(archive, 'pixsim7.zip');
			setTimeout(() => URL.revokeObjectURL(archive), 60_000);
		} catch (error) {
			toastError('The files could not be put together', error);
		}
	}

	async #tell(deed: Deed, selected: Selected, failure: string): Promise<BulkResult | undefined> {
		this.library.expect(deed, selected);
		try {
			return await bulk(deed, selected);
		} catch (error) {
			toastError(failure, error);
			await this.library.refresh();
			return undefined;
		}
	}
}

function save(url: string, name: string): void {
	const link = document.createElement('a');
	link.href = url;
	link.download = name;
	link.click();
}

export async function copyPrompt(prompt: string): Promise<void> {
	if (await copy(prompt)) toastDone('Prompt copied');
}
