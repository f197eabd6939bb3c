/** Copies text; also on plain http, where browsers have no clipboard API. Tells whether it worked. */
export async function copy(text: string): Promise<boolean> {
	try {
		if (navigator.clipboard) {
			await navigator.clipboard.writeText(text);
			return true;
		}
	} catch {
		// Refused: the old way may still be allowed.
	}
	const area = document.createElement('textarea');
	area.value = text;
	area.style.position = 'fixed';
	area.style.opacity = '0';
	const before = document.activeElement;
	// Inside an open dialog, or its focus trap takes the focus away before the copy.
	(before?.closest('[role=dialog]') ?? document.body).append(area);
	area.select();
	const isDone = document.execCommand('copy');
	area.remove();
	if (before instanceof HTMLElement) before.focus();
	return isDone;
}
