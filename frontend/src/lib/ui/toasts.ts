import { toast } from 'svelte-sonner';
import { toApiError } from '#lib/api/client.ts';

const UNDO_MS = 10_000;

/** Says that something was done. With `undo`, ten seconds to take it back. */
export function toastDone(message: string, options: { undo?: () => void; text?: string } = {}) {
	toast(message, {
		description: options.text,
		duration: options.undo ? UNDO_MS : undefined,
		action: options.undo ? { label: 'Undo', onClick: options.undo } : undefined
	});
}

/** Says what failed and why; stays until it is closed. */
export function toastError(title: string, error: unknown) {
	toast.error(title, { description: toApiError(error).detail, duration: Infinity });
}

/** An offer that stays until it is taken or closed. One `id` is shown once. */
export function toastOffer(id: string, message: string, label: string, onClick: () => void) {
	toast(message, { id, duration: Infinity, action: { label, onClick } });
}
