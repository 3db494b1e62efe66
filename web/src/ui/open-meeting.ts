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

const engines = import.meta.glob<{
  Meeting: new (options: MeetingOptions, devices: Devices) => MeetingHandle;
}>('../core/meeting.ts');
const screens = import.meta.glob<{ default: Component<MeetingProps> }>('./meeting/Meeting.svelte');

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
  const [engine, screen] = await Promise.all([
    engines['../core/meeting.ts']?.(),
    screens['./meeting/Meeting.svelte']?.(),
  ]);
  if (!engine || !screen) throw new Error('the meeting is not part of this build');
  return {
    create: (options, devices) => new engine.Meeting(options, devices),
    Screen: screen.default,
  };
}
