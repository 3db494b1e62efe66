import type { RemoteAudio } from './path';

export interface AudioPlayerHandlers {
  /** The browser plays nothing before a click or a key press; it is tried again then. */
  onBlocked(): void;
}

/** Safari on phones cannot choose a speaker. */
async function playThrough(element: HTMLAudioElement, deviceId: string): Promise<void> {
  if ('setSinkId' in element) await element.setSinkId(deviceId);
}

/** Plays what others say through elements nobody sees. */
export class AudioPlayer {
  readonly #elements = new Map<string, HTMLAudioElement>();
  readonly #handlers: AudioPlayerHandlers;
  #sink = '';
  #blocked = false;

  constructor(handlers: AudioPlayerHandlers) {
    this.#handlers = handlers;
  }

  /** What there is to hear now. A sound that is not audible stays connected, so that it starts at once. */
  update(sounds: readonly { audio: RemoteAudio; audible: boolean }[]): void {
    const present = new Set(sounds.map(({ audio }) => audio.id));
    for (const [id, element] of this.#elements) {
      if (present.has(id)) continue;
      element.srcObject = null;
      element.remove();
      this.#elements.delete(id);
    }
    for (const { audio, audible } of sounds) {
      const element = this.#elements.get(audio.id) ?? this.#makeElement(audio);
      if (element.muted === audible) element.muted = !audible;
    }
  }

  /** Rejects if the device cannot be used; sound then goes where it went before. */
  async setSink(deviceId: string): Promise<void> {
    const before = this.#sink;
    this.#sink = deviceId;
    try {
      await Promise.all([...this.#elements.values()].map((element) => playThrough(element, deviceId)));
    } catch (error) {
      this.#sink = before;
      await Promise.allSettled([...this.#elements.values()].map((element) => playThrough(element, before)));
      throw error;
    }
  }

  close(): void {
    this.update([]);
    document.removeEventListener('pointerdown', this.#unblock);
    document.removeEventListener('keydown', this.#unblock);
  }

  #makeElement(audio: RemoteAudio): HTMLAudioElement {
    const element = document.createElement('audio');
    element.autoplay = true;
    element.hidden = true;
    element.srcObject = new MediaStream([audio.track]);
    // In the document, because phones keep playing only what is there when the screen is locked.
    document.body.append(element);
    this.#elements.set(audio.id, element);
    // A speaker that has gone away meanwhile: the default one plays.
    if (this.#sink) playThrough(element, this.#sink).catch(() => undefined);
    this.#play(element);
    return element;
  }

  #play(element: HTMLAudioElement): void {
    element.play().catch((error: unknown) => {
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError' || this.#blocked) return;
      this.#blocked = true;
      document.addEventListener('pointerdown', this.#unblock);
      document.addEventListener('keydown', this.#unblock);
      this.#handlers.onBlocked();
    });
  }

  readonly #unblock = (): void => {
    this.#blocked = false;
    document.removeEventListener('pointerdown', this.#unblock);
    document.removeEventListener('keydown', this.#unblock);
    for (const element of this.#elements.values()) this.#play(element);
  };
}
