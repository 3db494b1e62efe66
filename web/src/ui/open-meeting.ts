import type { Component } from 'svelte';
import type { Devices } from '../core/devices';
import type { MeetingHandle, MeetingOptions } from '../core/model';
import type { Preferences } from '../core/preferences';

/** What the meeting's screen is given. */
export interface MeetingProps {
  meeting: MeetingHandle;
  devices: Devices;
  preferences: Preferences;
}

export interface MeetingModules {
  create: (options: MeetingOptions, devices: Devices) => MeetingHandle;
  Screen: Component<MeetingProps>;
}

let loading: Promise<MeetingModules> | null = null;

/**
 * Loads the engines and the meeting's screen, which home and green room do without. Called early to
 * have them at hand, and again when they are needed; a failure is forgotten, so that a retry is one.
 */
export function loadMeeting(): Promise<MeetingModules> {
  loading ??= load().catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return loading;
}

async function load(): Promise<MeetingModules> {
  const [{ Meeting }, { default: Screen }] = await Promise.all([
    import('../core/meeting'),
    import('./meeting/Meeting.svelte'),
  ]);
  return { create: (options, devices) => new Meeting(options, devices), Screen };
}
