import { beforeEach, describe, expect, it } from 'vitest';
import { KeyRegistry, keyNames, type KeyBinding } from './keys.ts';
import { appearance } from './theme.svelte.ts';

let registry: KeyRegistry;
let pressed: string[];

function bind(keys: string, rest: Partial<KeyBinding> = {}) {
	return registry.add([
		{ keys, label: keys, group: 'Test', run: () => void pressed.push(keys), ...rest }
	]);
}

function press(key: string, init: KeyboardEventInit = {}, target: Element = document.body) {
	const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...init });
	target.addEventListener('keydown', (it) => registry.handle(it as KeyboardEvent), { once: true });
	target.dispatchEvent(event);
	return event;
}

function put(html: string): HTMLElement {
	const holder = document.createElement('div');
	holder.innerHTML = html;
	document.body.append(holder);
	return holder.querySelector('[data-target]') ?? (holder.firstElementChild as HTMLElement);
}

beforeEach(() => {
	registry = new KeyRegistry();
	pressed = [];
	document.body.replaceChildren();
	appearance.hasLetterKeys = true;
});

describe('keys', () => {
	it('knows modifiers, and shift only where it is not part of the sign', () => {
		['Mod+k', 'Shift+r', '?', 'r'].forEach((keys) => bind(keys));
		press('k', { ctrlKey: true });
		press('k', { metaKey: true });
		press('R', { shiftKey: true });
		press('?', { shiftKey: true });
		press('r');
		expect(pressed).toEqual(['Mod+k', 'Mod+k', 'Shift+r', '?', 'r']);
	});

	it('takes two letters as one key, before the second letter alone', () => {
		bind('g q');
		bind('q');
		press('g');
		const event = press('q');
		press('q');
		expect(pressed).toEqual(['g q', 'q']);
		expect(event.defaultPrevented).toBe(true);
	});

	it('leaves letters to text fields', () => {
		bind('r');
		bind('Mod+Enter', { inFields: true });
		const field = put('<textarea></textarea>');
		press('r', {}, field);
		press('Enter', { ctrlKey: true }, field);
		expect(pressed).toEqual(['Mod+Enter']);
	});

	it('leaves Enter and Space to the control with the focus', () => {
		bind('Enter');
		press('Enter', {}, put('<button>x</button>'));
		press('Enter');
		expect(pressed).toEqual(['Enter']);
	});

	it('is off below a dialog, whose own keys hold inside it only', () => {
		bind('x');
		const inside = put('<div role="dialog"><button data-target>x</button></div>');
		bind('j', { within: () => inside.parentElement });
		press('x', {}, inside);
		press('j', {}, inside);
		press('j');
		expect(pressed).toEqual(['j']);
	});

	it('gives the last added first, and what was taken out no more', () => {
		bind('r');
		const remove = registry.add([
			{ keys: 'r', label: 'later', group: 'Test', run: () => void pressed.push('later') }
		]);
		press('r');
		remove();
		press('r');
		expect(pressed).toEqual(['later', 'r']);
	});

	it('can have single letters switched off, and keeps the rest', () => {
		appearance.hasLetterKeys = false;
		bind('r');
		bind('g q');
		bind('Mod+k');
		press('r');
		press('g');
		press('q');
		press('k', { ctrlKey: true });
		expect(pressed).toEqual(['Mod+k']);
	});

	it('lists what holds now', () => {
		bind('a');
		bind('b', { when: () => false });
		bind('c', { isHidden: true });
		expect(registry.list().map((binding) => binding.keys)).toEqual(['a']);
	});

	it('names keys for people', () => {
		expect([keyNames('Mod+k'), keyNames('g c'), keyNames('Shift+r'), keyNames('+')]).toEqual([
			['Ctrl', 'K'],
			['G', 'C'],
			['Shift', 'R'],
			['+']
		]);
	});
});
