import type { Clock } from './clock';
import { systemClock } from './clock';
import type { KeyValue } from './identity';
import type { OpenSocket } from './socket';
import { webSocketTo } from './socket';

/** All that a meeting needs of the browser besides media elements; tests give it another one. */
export interface MeetingEnvironment {
  clock: Clock;
  /** Milliseconds since 1970-01-01 UTC. */
  wallClock(): number;
  /** 0 to 1. */
  random(): number;
  openSocket: OpenSocket;
  /** The server's name or address, as a URL has it. */
  serverHost: string;
  createConnection(): RTCPeerConnection;
  /** Kept by the browser; shared by all its tabs. */
  storage: KeyValue;
  /** Kept as long as the tab. */
  session: KeyValue;
  /** The page goes away, perhaps into the browser's cache. The returned function ends listening. */
  onPageHide(run: () => void): () => void;
  /** The page came back from the browser's cache. */
  onPageShow(run: () => void): () => void;
  onNetworkChange(run: (news: NetworkNews) => void): () => void;
}

/**
 * What the device says of its network: `here` when it came or became another one, `gone`, and `maybe`
 * when something about it is different that need not matter.
 */
export type NetworkNews = 'here' | 'gone' | 'maybe';

export function browserEnvironment(): MeetingEnvironment {
  return {
    clock: systemClock,
    wallClock: () => Date.now(),
    random: () => Math.random(),
    openSocket: webSocketTo('/api/v1/signal'),
    serverHost: location.hostname,
    createConnection: () =>
      // STUN and TURN servers are those that the server names, and come later; one transport carries all.
      new RTCPeerConnection({ iceServers: [], bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' }),
    storage: storageOf(() => localStorage),
    session: storageOf(() => sessionStorage),
    onPageHide: (run) => listen(window, 'pagehide', run),
    onPageShow: (run) =>
      listen(window, 'pageshow', (event) => {
        if ((event as PageTransitionEvent).persisted) run();
      }),
    onNetworkChange: (run) => {
      const ends = [
        listen(window, 'online', () => run('here')),
        listen(window, 'offline', () => run('gone')),
      ];
      const connection = (navigator as Navigator & { connection?: EventTarget }).connection;
      if (connection) ends.push(listenToConnection(connection, run));
      return () => ends.forEach((end) => end());
    },
  };
}

/**
 * Chromium tells when Wi-Fi becomes mobile data without a gap. On computers it names no type, and `change`
 * tells of new estimates of rate and delay, which another network has as well.
 */
function listenToConnection(
  connection: EventTarget & { type?: unknown },
  run: (news: NetworkNews) => void,
): () => void {
  let type = connection.type;
  return listen(connection, 'change', () => {
    const changed = connection.type !== type;
    type = connection.type;
    run(changed ? 'here' : 'maybe');
  });
}

function listen(target: EventTarget, type: string, run: (event: Event) => void): () => void {
  target.addEventListener(type, run);
  return () => target.removeEventListener(type, run);
}

/** Reading `localStorage` itself throws where storage is switched off. */
function storageOf(get: () => Storage): KeyValue {
  try {
    return get();
  } catch {
    return { getItem: () => null, setItem: () => undefined };
  }
}
