/** Why a screen is not shared. `cancelled`: the person chose nothing in the browser's picker. */
export type ScreenFailure = 'cancelled' | 'refused' | 'unsupported';

export interface ScreenTracks {
  readonly video: MediaStreamTrack;
  /** Null where the browser gives no sound of what is shared. */
  readonly audio: MediaStreamTrack | null;
}

/** Options that browsers know beyond TypeScript's types; unknown ones are ignored by all. */
const OPTIONS: DisplayMediaStreamOptions & Record<string, unknown> = {
  video: { frameRate: { max: 30 } },
  // What plays is wanted as it is; and never the voices of this very meeting.
  audio: {
    echoCancellation: false,
    noiseSuppression: false,
    autoGainControl: false,
    suppressLocalAudioPlayback: false,
  } as MediaTrackConstraints,
  selfBrowserSurface: 'exclude',
  surfaceSwitching: 'include',
  systemAudio: 'include',
};

/** Asks which screen to share. `onEnded`: the browser, the system or the shared window ended it. */
export async function captureScreen(onEnded: () => void): Promise<ScreenTracks | ScreenFailure> {
  // Phones have no screen capture, and an insecure page has no media devices at all.
  const devices = (navigator as Partial<Navigator>).mediaDevices as Partial<MediaDevices> | undefined;
  if (!devices?.getDisplayMedia) return 'unsupported';
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia(OPTIONS);
  } catch (error) {
    // `NotAllowedError` is both the person's "cancel" and the system's refusal; the page asked at a
    // click, so nearly always it is the person, who needs no message.
    const name = error instanceof DOMException ? error.name : '';
    return name === 'NotAllowedError' || name === 'AbortError' ? 'cancelled' : 'refused';
  }
  const video = stream.getVideoTracks()[0];
  if (!video) {
    for (const track of stream.getTracks()) track.stop();
    return 'refused';
  }
  // Text before motion: the encoder keeps the resolution and lowers the frame rate.
  video.contentHint = 'detail';
  video.addEventListener('ended', onEnded);
  return { video, audio: stream.getAudioTracks()[0] ?? null };
}

/** Stops what `captureScreen` started; `onEnded` is not called for it (a stopped track fires no event). */
export function stopScreen(tracks: ScreenTracks): void {
  tracks.video.stop();
  tracks.audio?.stop();
}
