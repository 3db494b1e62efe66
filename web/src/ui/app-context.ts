import { createContext } from 'svelte';
import type { Preferences } from '../core/preferences';

/** What every screen may use without being handed it. */
export interface AppContext {
  readonly preferences: Preferences;
}

export const [getApp, setApp] = createContext<AppContext>();
