/** Whether the administrator is signed in. */
import type { Readable } from '../model';
import { Store } from '../store';
import { AdminError, type AdminApi, type AdminFailure } from './api';

/** Where the token is kept: for as long as the tab is open, and nowhere else. */
export interface TokenStorage {
  load(): string | null;
  save(token: string | null): void;
}

const KEY = 'conclave.admin-token';

/** The tab's own storage; without it (refused by the browser) the token lives in memory alone. */
export function tabStorage(storage: () => Storage): TokenStorage {
  let kept: string | null = null;
  return {
    load() {
      try {
        return storage().getItem(KEY);
      } catch {
        return kept;
      }
    },
    save(token) {
      kept = token;
      try {
        if (token === null) storage().removeItem(KEY);
        else storage().setItem(KEY, token);
      } catch {
        // Kept in memory then.
      }
    },
  };
}

export type SessionView =
  | { state: 'signed-out'; problem: AdminFailure | 'ended' | null }
  | { state: 'checking' }
  | { state: 'signed-in'; token: string };

export class AdminSession {
  readonly #api: AdminApi;
  readonly #storage: TokenStorage;
  readonly #view: Store<SessionView>;

  constructor(api: AdminApi, storage: TokenStorage) {
    this.#api = api;
    this.#storage = storage;
    const token = storage.load();
    // One that was right a moment ago is believed; if it is not right any more, the first answer says so.
    this.#view = new Store<SessionView>(
      token ? { state: 'signed-in', token } : { state: 'signed-out', problem: null },
    );
  }

  get view(): Readable<SessionView> {
    return this.#view;
  }

  async signIn(entered: string): Promise<void> {
    const token = entered.trim();
    if (token === '' || this.#view.get().state === 'checking') return;
    this.#view.set({ state: 'checking' });
    try {
      // No header can carry anything else, and no token has it.
      if (!/^[\x21-\x7e]+$/.test(token)) throw new AdminError({ kind: 'unauthorized' });
      await this.#api.overview(token);
    } catch (error) {
      const failure: AdminFailure = error instanceof AdminError ? error.failure : { kind: 'unreachable' };
      this.#view.set({ state: 'signed-out', problem: failure });
      return;
    }
    this.#storage.save(token);
    this.#view.set({ state: 'signed-in', token });
  }

  signOut(): void {
    this.#storage.save(null);
    this.#view.set({ state: 'signed-out', problem: null });
  }

  /** The token is not accepted any more. */
  expire(): void {
    if (this.#view.get().state !== 'signed-in') return;
    this.#storage.save(null);
    this.#view.set({ state: 'signed-out', problem: 'ended' });
  }
}
