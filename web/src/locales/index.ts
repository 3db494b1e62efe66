export * from './i18n.svelte';
export type { Localized, Message, Plural } from './types';
