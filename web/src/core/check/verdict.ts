/** What the results mean. Pure. */
import type { CheckRung, Hint, MediaRung, RungView, Verdict } from './model';
import { MEDIA_RUNGS } from './model';

/** Lost packets are heard and seen from here on. */
const LOSSY = 0.05;
/** People begin to talk over each other from here on (ITU-T G.114: 150 ms one way), in milliseconds. */
const SLOW_MS = 300;

type Rungs = Readonly<Record<CheckRung, RungView>>;

export function byName(rungs: readonly RungView[]): Rungs {
  return Object.fromEntries(rungs.map((rung) => [rung.name, rung])) as Record<CheckRung, RungView>;
}

export function verdictOf(rungs: Rungs): Verdict {
  // Without the WebSocket no meeting begins, whatever else works.
  if (rungs.websocket.state === 'fails') {
    return rungs.page.state === 'fails' ? 'no-page' : 'no-websocket';
  }
  if (rungs.websocket.state === 'unknown') return 'busy';
  if (MEDIA_RUNGS.some((name) => rungs[name].failure === 'no-webrtc')) return 'no-webrtc';
  const open = (name: MediaRung): boolean => isOpen(rungs[name]);
  const best = MEDIA_RUNGS.find((name) => rungs[name].state === 'works');
  if (best) {
    // A better one may yet work: ICE would use that one.
    const better = MEDIA_RUNGS.slice(0, MEDIA_RUNGS.indexOf(best));
    return better.some(open) ? 'works-so-far' : best;
  }
  if (MEDIA_RUNGS.some(open)) return 'testing';
  return MEDIA_RUNGS.some((name) => rungs[name].state === 'fails') ? 'no-media' : 'busy';
}

/** Only once everything has been tested: a hint that comes too soon may be wrong. */
export function hintsOf(rungs: Rungs, online: boolean): Hint[] {
  const verdict = verdictOf(rungs);
  const works = (name: CheckRung): boolean => rungs[name].state === 'works';
  const fails = (name: CheckRung): boolean => rungs[name].state === 'fails';
  const relays = ['turn-udp', 'turn-tcp', 'turn-tls'] as const;
  const hints: Hint[] = [];
  if (verdict === 'no-page') return online ? [] : ['offline'];
  if (verdict === 'no-webrtc') return ['enable-webrtc'];
  if (verdict === 'no-websocket') return ['websocket-proxy'];
  if (verdict === 'busy') return [];
  if (verdict === 'no-media') hints.push('no-way-for-media');
  else if (fails('udp') && fails('tcp') && relays.some(works)) {
    // The server is there, on the same port, but not at the address that it tells people.
    hints.push(works('turn-udp') || works('turn-tcp') ? 'announced-address' : 'open-udp');
  } else if (fails('udp')) hints.push(works('turn-udp') ? 'announced-address' : 'open-udp');
  if (relays.some((name) => rungs[name].failure === 'refused')) hints.push('turn-refused');
  if (relays.every((name) => rungs[name].failure === 'not-offered')) hints.push('no-turn');
  if (works('turn-tcp') && fails('turn-tls')) hints.push('turn-tls-certificate');
  const measured = Object.values(rungs).flatMap((rung) => rung.measured ?? []);
  if (measured.some(({ loss }) => loss !== null && loss >= LOSSY)) hints.push('lossy');
  const roundTrip = bestRoundTrip(rungs);
  if (roundTrip !== null && roundTrip >= SLOW_MS) hints.push('slow');
  return hints;
}

function isOpen({ state }: RungView): boolean {
  return state === 'waiting' || state === 'running';
}

/** Of the way that a meeting would use. */
function bestRoundTrip(rungs: Rungs): number | null {
  const best = MEDIA_RUNGS.find((name) => rungs[name].state === 'works');
  return best ? (rungs[best].measured?.roundTripMs ?? null) : null;
}
