/**
 * Sizes of the built app against their budgets, from the bundler's own manifest: what a page loads
 * at first is what its modules import statically. Exits 1 when one is over.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const KIT = new URL('../.svelte-kit/', import.meta.url).pathname;
const CLIENT = join(KIT, 'output/client');
const GENERATED = '.svelte-kit/generated/client-optimized';

const KB = 1000;
const BUDGETS = {
	shell: 75 * KB,
	page: 170 * KB,
	lazy: 60 * KB,
	css: 20 * KB,
	font: 35 * KB
};
/** The font that a page in English loads; the others are fetched for other scripts only. */
const FONT = /geist-latin-wght-normal\.woff2$/;

/** @typedef {{file: string, isEntry?: boolean, isDynamicEntry?: boolean, imports?: string[], dynamicImports?: string[], css?: string[]}} Chunk */
/** @type {Record<string, Chunk>} */
const manifest = JSON.parse(readFileSync(join(CLIENT, '.vite/manifest.json'), 'utf8'));

/** @param {string} key */
function chunkOf(key) {
	const chunk = manifest[key];
	if (!chunk) throw new Error(`The manifest has no ${key}.`);
	return chunk;
}

/** @param {string} file */
const gz = (file) => gzipSync(readFileSync(join(CLIENT, file)), { level: 9 }).length;
/** @param {string} file */
const raw = (file) => readFileSync(join(CLIENT, file)).length;

/**
 * All chunks that these need before they run.
 * @param {string[]} keys
 * @param {Set<string>} found
 */
function closure(keys, found = new Set()) {
	for (const key of keys) {
		if (found.has(key)) continue;
		found.add(key);
		closure(chunkOf(key).imports ?? [], found);
	}
	return found;
}

/** @param {Iterable<string>} keys */
function scripts(keys) {
	return [...keys].reduce((sum, key) => sum + gz(chunkOf(key).file), 0);
}

/** @param {Iterable<string>} keys */
function styles(keys) {
	const files = new Set([...keys].flatMap((key) => chunkOf(key).css ?? []));
	return [...files].reduce((sum, file) => sum + gz(file), 0);
}

/** Page by route id: the numbers of its nodes, as SvelteKit wrote them down. */
function pages() {
	const source = readFileSync(join(KIT, 'generated/client-optimized/app.js'), 'utf8');
	const routes = source.matchAll(/"(\/[^"]*)": \[~?(\d+)(?:,\[([\d,]*)\])?/g);
	return [...routes].map(([, route, page, layouts]) => ({
		route,
		nodes: [0, ...(layouts ?? '').split(',').filter(Boolean), page].map(
			(number) => `${GENERATED}/nodes/${number}.js`
		)
	}));
}

const start = Object.keys(manifest).filter(
	(key) => key.endsWith('/client/entry.js') || key === `${GENERATED}/app.js`
);
const shell = closure([...start, `${GENERATED}/nodes/0.js`]);

/** @type {{what: string, bytes: number, budget: number}[]} */
const rows = [{ what: 'shell', bytes: scripts(shell), budget: BUDGETS.shell }];
let css = 0;
const first = new Set(shell);
for (const { route, nodes } of pages()) {
	const keys = closure([...start, ...nodes]);
	rows.push({ what: `page ${route}`, bytes: scripts(keys), budget: BUDGETS.page });
	css = Math.max(css, styles(keys));
	keys.forEach((key) => first.add(key));
}
for (const [key, chunk] of Object.entries(manifest)) {
	if (!chunk.isDynamicEntry || chunk.isEntry || !chunk.file.endsWith('.js')) continue;
	const own = [...closure([key])].filter((part) => !first.has(part));
	rows.push({ what: `lazy ${key}`, bytes: scripts(own), budget: BUDGETS.lazy });
}
rows.push({ what: 'css of the largest page', bytes: css, budget: BUDGETS.css });
const font = Object.entries(manifest).find(([key]) => FONT.test(key));
if (font) rows.push({ what: 'font', bytes: raw(font[1].file), budget: BUDGETS.font });

let isOver = false;
for (const { what, bytes, budget } of rows) {
	const mark = bytes > budget ? 'OVER' : 'ok';
	isOver ||= bytes > budget;
	console.log(
		`${mark.padEnd(5)}${(bytes / KB).toFixed(1).padStart(7)} of ${String(budget / KB).padStart(3)} kB  ${what}`
	);
}
process.exit(isOver ? 1 : 0);
