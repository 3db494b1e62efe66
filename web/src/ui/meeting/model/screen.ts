/**
 * What a person has opened, chosen and pinned on the meeting screen. Nobody else in the meeting
 * knows of it. Framework-free: what the browser must do comes in as `ScreenPlatform`.
 */
import type { Clock } from '../../../core/clock';
import type { Corner } from '../../../core/layout';
import type { MeetingHandle, Readable } from '../../../core/model';
import type { Preferences, PreferenceValues } from '../../../core/preferences';
import { Store } from '../../../core/store';

export type Panel = 'chat' | 'people' | 'network' | 'settings';
export type Menu = 'reactions' | 'more';
export type Dialog = 'help' | 'end';

/** What this browser can do. */
export interface Capabilities {
  share: boolean;
  fullScreen: boolean;
  pictureInPicture: boolean;
}

export interface ScreenView {
  /** One at a time. */
  panel: Panel | null;
  menu: Menu | null;
  dialog: Dialog | null;
  /** Key of the tile whose numbers are open. */
  numbers: string | null;
  /** Key of the tile that is shown large. */
  pinned: string | null;
  /** Of the stage, from 0. */
  page: number;
  /** Where the small own picture of a one-to-one sits. */
  corner: Corner;
  /** The microphone is open only as long as a key is held. */
  talking: boolean;
  fullScreen: boolean;
  pictureInPicture: boolean;
  /** The link was copied a moment ago. */
  linkCopied: boolean;
  can: Capabilities;
  /** What the browser remembers, in every meeting the same. */
  preferences: PreferenceValues;
}

/** What the screen needs of the browser. */
export interface ScreenPlatform {
  readonly can: Capabilities;
  enterFullScreen(): Promise<void>;
  leaveFullScreen(): Promise<void>;
  enterPictureInPicture(): Promise<void>;
  leavePictureInPicture(): Promise<void>;
  /** Puts the meeting's link into the clipboard; whether it worked. */
  copyLink(): Promise<boolean>;
}

/** How long "copied" is shown, in milliseconds. */
const COPIED_MS = 2_000;

export class MeetingScreen {
  readonly #meeting: MeetingHandle;
  readonly #platform: ScreenPlatform;
  readonly #preferences: Preferences;
  readonly #clock: Clock;
  readonly #view: Store<ScreenView>;
  readonly #draft = new Store('');
  readonly #endPreferences: () => void;
  #forgetCopied = (): void => undefined;

  constructor(meeting: MeetingHandle, platform: ScreenPlatform, preferences: Preferences, clock: Clock) {
    this.#meeting = meeting;
    this.#platform = platform;
    this.#preferences = preferences;
    this.#clock = clock;
    this.#view = new Store<ScreenView>({
      panel: null,
      menu: null,
      dialog: null,
      numbers: null,
      pinned: null,
      page: 0,
      corner: 'bottom-right',
      talking: false,
      fullScreen: false,
      pictureInPicture: false,
      linkCopied: false,
      can: platform.can,
      preferences: preferences.all.get(),
    });
    this.#endPreferences = preferences.all.subscribe((values) => this.#change({ preferences: values }));
  }

  get view(): Readable<ScreenView> {
    return this.#view;
  }

  /** What is being written in the chat: kept while the chat is closed. */
  get draft(): Readable<string> {
    return this.#draft;
  }

  setDraft(text: string): void {
    this.#draft.set(text);
  }

  togglePanel(panel: Panel): void {
    this.#openPanel(this.#view.get().panel === panel ? null : panel);
  }

  closePanel(): void {
    this.#openPanel(null);
  }

  toggleMenu(menu: Menu): void {
    this.#change({ menu: this.#view.get().menu === menu ? null : menu });
  }

  closeMenu(): void {
    this.#change({ menu: null });
  }

  openDialog(dialog: Dialog): void {
    this.#change({ dialog, menu: null });
  }

  closeDialog(): void {
    this.#change({ dialog: null });
  }

  /** The numbers behind a tile's network quality. */
  toggleNumbers(key: string): void {
    this.#change({ numbers: this.#view.get().numbers === key ? null : key });
  }

  /** Closes whatever lies on top. */
  closeTop(): void {
    const { dialog, menu, numbers, panel } = this.#view.get();
    if (dialog) this.closeDialog();
    else if (menu) this.closeMenu();
    else if (numbers) this.#change({ numbers: null });
    else if (panel) this.closePanel();
  }

  togglePin(key: string): void {
    this.#change({ pinned: this.#view.get().pinned === key ? null : key, page: 0 });
  }

  goToPage(page: number): void {
    this.#change({ page: Math.max(0, page) });
  }

  moveSelf(corner: Corner): void {
    this.#change({ corner });
  }

  toggleLayout(): void {
    this.#preferences.set('layout', this.#preferences.get('layout') === 'grid' ? 'speaker' : 'grid');
  }

  toggleSelfView(): void {
    this.#preferences.set('selfView', !this.#preferences.get('selfView'));
  }

  async startTalking(): Promise<void> {
    if (this.#view.get().talking) return;
    this.#change({ talking: true });
    await this.#meeting.setMicrophone(true);
    // Let go before the device was ready: it must not stay open.
    if (!this.#view.get().talking) await this.#meeting.setMicrophone(false);
  }

  async stopTalking(): Promise<void> {
    if (!this.#view.get().talking) return;
    this.#change({ talking: false });
    await this.#meeting.setMicrophone(false);
  }

  async toggleFullScreen(): Promise<void> {
    await (this.#view.get().fullScreen ? this.#platform.leaveFullScreen() : this.#platform.enterFullScreen());
  }

  async togglePictureInPicture(): Promise<void> {
    await (this.#view.get().pictureInPicture
      ? this.#platform.leavePictureInPicture()
      : this.#platform.enterPictureInPicture());
  }

  async copyLink(): Promise<void> {
    if (!(await this.#platform.copyLink())) return;
    this.#change({ linkCopied: true });
    this.#forgetCopied();
    this.#forgetCopied = this.#clock.after(COPIED_MS, () => this.#change({ linkCopied: false }));
  }

  /** The browser entered or left full screen, for whatever reason. */
  fullScreenChanged(fullScreen: boolean): void {
    this.#change({ fullScreen });
  }

  /** The small window was opened or closed, for whatever reason. */
  pictureInPictureChanged(pictureInPicture: boolean): void {
    this.#change({ pictureInPicture });
  }

  /** A tile that is gone is neither pinned nor looked into. */
  keepTiles(keys: ReadonlySet<string>): void {
    const { pinned, numbers } = this.#view.get();
    if (pinned !== null && !keys.has(pinned)) this.#change({ pinned: null });
    if (numbers !== null && !keys.has(numbers)) this.#change({ numbers: null });
  }

  /** Ends timers; the screen is gone. */
  end(): void {
    this.#forgetCopied();
    this.#endPreferences();
  }

  #openPanel(panel: Panel | null): void {
    const before = this.#view.get().panel;
    if (before === panel) return;
    this.#change({ panel, menu: null });
    if (before === 'chat' || panel === 'chat') this.#meeting.setChatOpen(panel === 'chat');
  }

  #change(change: Partial<ScreenView>): void {
    const view = this.#view.get();
    const differs = (Object.keys(change) as (keyof ScreenView)[]).some((key) => view[key] !== change[key]);
    if (differs) this.#view.set({ ...view, ...change });
  }
}
