/** What the meeting screen asks of the browser, and what it does not offer everywhere. */
import type { ScreenPlatform, Capabilities } from './model/screen';

/** Document Picture-in-Picture (WICG); not yet among TypeScript's types. */
interface DocumentPictureInPicture {
  readonly window: Window | null;
  requestWindow(options: { width: number; height: number }): Promise<Window>;
}

declare global {
  interface Window {
    readonly documentPictureInPicture?: DocumentPictureInPicture;
  }
}

/** Of the small window, in CSS pixels: room for one picture and three buttons. */
const SMALL_WINDOW = { width: 360, height: 264 } as const;

export class BrowserPlatform implements ScreenPlatform {
  readonly can: Capabilities;
  readonly #link: string;
  /** Draws the meeting into a small window; returns what removes it. */
  fillSmallWindow: ((target: HTMLElement) => () => void) | null = null;
  /** Tells that the small window is there or gone. */
  smallWindowChanged: (open: boolean) => void = () => undefined;

  constructor(room: string) {
    this.#link = new URL(`/m/${encodeURIComponent(room)}`, location.origin).href;
    this.can = {
      share: 'mediaDevices' in navigator && 'getDisplayMedia' in navigator.mediaDevices,
      fullScreen: document.fullscreenEnabled,
      pictureInPicture: 'documentPictureInPicture' in window || document.pictureInPictureEnabled,
    };
  }

  get link(): string {
    return this.#link;
  }

  /** The whole document, because menus and tips are drawn at its end. */
  async enterFullScreen(): Promise<void> {
    await attempt(() => document.documentElement.requestFullscreen({ navigationUI: 'hide' }));
  }

  async leaveFullScreen(): Promise<void> {
    if (document.fullscreenElement) await attempt(() => document.exitFullscreen());
  }

  async enterPictureInPicture(): Promise<void> {
    if (window.documentPictureInPicture) await this.#openSmallWindow(window.documentPictureInPicture);
    else await attempt(() => this.#mainVideo()?.requestPictureInPicture());
  }

  async leavePictureInPicture(): Promise<void> {
    window.documentPictureInPicture?.window?.close();
    if (document.pictureInPictureElement) await attempt(() => document.exitPictureInPicture());
  }

  async copyLink(): Promise<boolean> {
    try {
      await navigator.clipboard.writeText(this.#link);
      return true;
    } catch {
      return false;
    }
  }

  async #openSmallWindow(documentPictureInPicture: DocumentPictureInPicture): Promise<void> {
    const small = await attempt(() => documentPictureInPicture.requestWindow(SMALL_WINDOW));
    if (!small || !this.fillSmallWindow) return;
    for (const sheet of document.querySelectorAll('link[rel="stylesheet"], style')) {
      small.document.head.append(small.document.importNode(sheet, true));
    }
    small.document.title = document.title;
    small.document.documentElement.lang = document.documentElement.lang;
    const empty = this.fillSmallWindow(small.document.body);
    this.smallWindowChanged(true);
    small.addEventListener('pagehide', () => {
      empty();
      this.smallWindowChanged(false);
    });
  }

  /** What the stage shows largest. */
  #mainVideo(): HTMLVideoElement | null {
    const videos = [...document.querySelectorAll('video')];
    const area = (video: HTMLVideoElement) => video.clientWidth * video.clientHeight;
    return videos.reduce<HTMLVideoElement | null>((a, b) => (a && area(a) >= area(b) ? a : b), null);
  }
}

/** Browsers refuse these without a click, or by policy; then nothing happens, as the person sees. */
async function attempt<T>(act: () => Promise<T> | undefined): Promise<T | null> {
  try {
    return (await act()) ?? null;
  } catch {
    return null;
  }
}

/** Keeps the screen on until the returned function is called. */
export function keepAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let ended = false;
  const request = async (): Promise<void> => {
    // The browser takes the lock back whenever the page is hidden.
    if (document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
    const got = await attempt(() => navigator.wakeLock.request('screen'));
    if (ended) await got?.release();
    else lock = got;
  };
  const onVisibility = (): void => void request();
  document.addEventListener('visibilitychange', onVisibility);
  void request();
  return () => {
    ended = true;
    document.removeEventListener('visibilitychange', onVisibility);
    void lock?.release().catch(() => undefined);
  };
}

/** Lets the browser open the small window by itself when the tab is left, where it offers that. */
export function offerAutomaticPictureInPicture(enter: () => Promise<void>): () => void {
  // Media Session, "enterpictureinpicture": not yet among TypeScript's actions.
  const action = 'enterpictureinpicture' as MediaSessionAction;
  try {
    navigator.mediaSession.setActionHandler(action, () => void enter());
    return () => navigator.mediaSession.setActionHandler(action, null);
  } catch {
    return () => undefined;
  }
}
