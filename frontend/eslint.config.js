import svelte from 'eslint-plugin-svelte';
import tseslint from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default tseslint.config(
	{ ignores: ['.svelte-kit/', 'node_modules/', 'src/lib/api/schema.d.ts', 'test-results/'] },
	...tseslint.configs.recommended,
	...svelte.configs.recommended,
	...svelte.configs.prettier,
	{
		files: ['**/*.svelte', '**/*.svelte.ts'],
		languageOptions: {
			parserOptions: { parser: tseslint.parser, extraFileExtensions: ['.svelte'], svelteConfig }
		}
	},
	{
		rules: {
			'svelte/no-navigation-without-resolve': 'off', // served at /
			'svelte/prefer-svelte-reactivity': 'off', // collections that nothing is drawn from stay plain
			'svelte/no-at-html-tags': 'error',
			'no-console': 'error'
		}
	},
	{ files: ['scripts/**', 'e2e/**'], rules: { 'no-console': 'off' } }
);
