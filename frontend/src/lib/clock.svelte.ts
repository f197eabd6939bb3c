import { createSubscriber } from 'svelte/reactivity';

const subscribe = createSubscriber((update) => {
	const timer = setInterval(update, 1000);
	return () => clearInterval(timer);
});

/** The time in milliseconds. What reads it in a template is drawn anew each second, while it is shown. */
export function now(): number {
	subscribe();
	return Date.now();
}
