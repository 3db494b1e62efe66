import { checkName, roomOfPath, roomPath } from '../core/room-name';

export type Route =
  | { name: 'home' }
  | { name: 'check' }
  /** The administrator's page: all rooms, or one. */
  | { name: 'admin'; room: string | null }
  | { name: 'meeting'; room: string }
  /** `/m/…` with something that no room can be called. */
  | { name: 'bad-room' }
  | { name: 'not-found' };

export const CHECK_PATH = '/check';
export const ADMIN_PATH = '/admin';
const ADMIN_ROOMS = `${ADMIN_PATH}/rooms/`;

/** What an address shows. Names are compared in their normal form, so that every spelling is one room. */
export function routeOf(path: string): Route {
  if (path === '/') return { name: 'home' };
  if (path === CHECK_PATH) return { name: 'check' };
  if (path === ADMIN_PATH) return { name: 'admin', room: null };
  if (path.startsWith(ADMIN_ROOMS)) {
    const checked = checkName(decoded(path.slice(ADMIN_ROOMS.length)));
    return checked.kind === 'room' ? { name: 'admin', room: checked.room } : { name: 'not-found' };
  }
  const asked = roomOfPath(path);
  if (asked === null) return { name: path.startsWith('/m/') ? 'bad-room' : 'not-found' };
  const checked = checkName(asked);
  return checked.kind === 'room' ? { name: 'meeting', room: checked.room } : { name: 'bad-room' };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

/** The administrator's page about one room, or about all. */
export function adminPath(room: string | null): string {
  return room === null ? ADMIN_PATH : ADMIN_ROOMS + encodeURIComponent(room);
}

/** The page's address, and the way to another one without loading the page anew. */
class Router {
  #route = $state.raw<Route>(routeOf(location.pathname));

  constructor() {
    addEventListener('popstate', () => this.#read());
  }

  get route(): Route {
    return this.#route;
  }

  home(): void {
    this.#go('/');
  }

  check(): void {
    this.#go(CHECK_PATH);
  }

  admin(room: string | null): void {
    this.#go(adminPath(room));
  }

  meeting(room: string): void {
    this.#go(roomPath(room));
  }

  #go(path: string): void {
    if (location.pathname !== path) history.pushState(null, '', path);
    this.#read();
    scrollTo(0, 0);
  }

  #read(): void {
    this.#route = routeOf(location.pathname);
  }
}

export const router = new Router();

/** The link that brings others into a room. */
export function roomLink(room: string): string {
  return location.origin + roomPath(room);
}

/** For links: follows them here, unless the person wants them in another tab. */
export function follow(event: MouseEvent, go: () => void): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go();
}
