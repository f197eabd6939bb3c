import ArrowUpToLine from '@lucide/svelte/icons/arrow-up-to-line';
import Ban from '@lucide/svelte/icons/ban';
import Check from '@lucide/svelte/icons/check';
import Download from '@lucide/svelte/icons/download';
import FastForward from '@lucide/svelte/icons/fast-forward';
import ImagePlus from '@lucide/svelte/icons/image-plus';
import ListVideo from '@lucide/svelte/icons/list-video';
import Maximize from '@lucide/svelte/icons/maximize-2';
import Pause from '@lucide/svelte/icons/pause';
import Play from '@lucide/svelte/icons/play';
import RotateCw from '@lucide/svelte/icons/rotate-cw';
import WandSparkles from '@lucide/svelte/icons/wand-sparkles';
import type { MenuEntry } from '#lib/ui/menu.ts';
import type { Job } from './batches.ts';
import { CHOICE_LABELS, type Choice } from './job-actions.ts';
import type { Maker } from './maker.ts';

const ICONS = {
	cancel: Ban,
	pause: Pause,
	resume: Play,
	to_front: ArrowUpToLine,
	retry: RotateCw,
	retry_second_charge: RotateCw,
	dismiss: Check
} satisfies Record<Choice, unknown>;

/** Everything that can be done with one job, and with what it made. */
export function tileMenu(job: Job, maker: Maker): MenuEntry[] {
	return [
		...resultEntries(job, maker),
		{ label: 'Reuse prompt and settings', icon: WandSparkles, onselect: () => maker.reuse(job) },
		...job.choices.map((choice) => ({
			label: CHOICE_LABELS[choice],
			icon: ICONS[choice],
			isDanger: choice === 'cancel',
			onselect: () => maker.act(job, choice)
		})),
		'separator',
		{ label: 'Show in the queue', icon: ListVideo, href: `/queue/${job.id}` }
	];
}

function resultEntries({ thumb }: Job, maker: Maker): MenuEntry[] {
	if (!thumb) return [];
	const { asset_id, media_type } = thumb;
	const extend = maker.operations.find(
		({ operation_type, inputs }) =>
			operation_type === 'video_extend' && inputs.some(({ kinds }) => kinds.includes(media_type))
	);
	const slot = extend?.inputs.find(({ kinds }) => kinds.includes(media_type))?.name;
	return [
		{ label: 'Open', icon: Maximize, href: `/gallery?asset=${asset_id}` },
		...(extend && slot
			? [
					{
						label: 'Extend',
						icon: FastForward,
						onselect: () => maker.use(asset_id, media_type, { operation: extend, name: slot })
					}
				]
			: []),
		{ label: 'Use as reference', icon: ImagePlus, onselect: () => maker.use(asset_id, media_type) },
		{ label: 'Download', icon: Download, href: `/api/v1/assets/${asset_id}/file?download=true` },
		'separator'
	];
}
