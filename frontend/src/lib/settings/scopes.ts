import type { Schema } from '#lib/api/client.ts';

/** What a token may do. */
export const SCOPES: {
	value: Schema<'TokenRead'>['scopes'][number];
	label: string;
	help: string;
}[] = [
	{ value: 'read', label: 'Read', help: 'Jobs, the library, accounts without their keys' },
	{ value: 'generate', label: 'Generate', help: 'Make jobs and upload; reads as well' },
	{ value: 'manage', label: 'Manage', help: 'Accounts, workspaces, webhooks; reads as well' }
];
