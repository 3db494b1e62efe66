import { describe, expect, it } from 'vitest';
import type { CheckRung, FailureKind, Hint, RungState, RungView, Verdict } from './model';
import { CHECK_RUNGS } from './model';
import { byName, hintsOf, verdictOf } from './verdict';

type Outcome = RungState | FailureKind;
const UNTESTED: readonly Outcome[] = ['not-offered', 'busy', 'no-server', 'failed'];
const STATES: readonly Outcome[] = ['waiting', 'running', 'works', 'fails', 'unknown'];

/** All rungs work but those that are named. */
function rungs(outcomes: Partial<Record<CheckRung, Outcome>>, change: Partial<RungView['measured']> = {}) {
  return byName(
    CHECK_RUNGS.map((name): RungView => {
      const outcome = outcomes[name] ?? 'works';
      const isState = STATES.includes(outcome);
      return {
        name,
        state: isState ? (outcome as RungState) : UNTESTED.includes(outcome) ? 'unknown' : 'fails',
        failure: isState ? null : (outcome as FailureKind),
        measured: outcome === 'works' ? { timeMs: 100, roundTripMs: 20, loss: null, ...change } : null,
        code: outcome === 'refused' ? 401 : null,
      };
    }),
  );
}

const noUdp = { udp: 'no-answer', 'turn-udp': 'no-relay' } as const;
const noMediaButTls = { ...noUdp, tcp: 'no-answer', 'turn-tcp': 'no-relay' } as const;
const noRelay = { 'turn-udp': 'not-offered', 'turn-tcp': 'not-offered', 'turn-tls': 'not-offered' } as const;

describe('the verdict', () => {
  it.each<[Verdict, Partial<Record<CheckRung, Outcome>>]>([
    ['udp', {}],
    ['udp', { tcp: 'running', 'turn-udp': 'running', 'turn-tcp': 'waiting', 'turn-tls': 'waiting' }],
    ['works-so-far', { udp: 'running' }],
    [
      'testing',
      { udp: 'running', tcp: 'running', 'turn-udp': 'running', 'turn-tcp': 'running', 'turn-tls': 'running' },
    ],
    [
      'testing',
      {
        websocket: 'running',
        udp: 'waiting',
        tcp: 'waiting',
        'turn-udp': 'waiting',
        'turn-tcp': 'waiting',
        'turn-tls': 'waiting',
      },
    ],
    ['tcp', noUdp],
    ['tcp', { ...noUdp, 'turn-tls': 'running' }],
    ['turn-udp', { udp: 'no-answer', tcp: 'no-answer' }],
    ['turn-tcp', { ...noUdp, tcp: 'no-answer' }],
    ['turn-tls', noMediaButTls],
    ['no-media', { ...noMediaButTls, 'turn-tls': 'no-relay' }],
    ['no-media', { udp: 'no-answer', tcp: 'no-answer', ...noRelay }],
    ['no-websocket', { websocket: 'closed', udp: 'no-server' }],
    ['no-page', { page: 'closed', websocket: 'closed', udp: 'no-server' }],
    ['no-webrtc', { udp: 'no-webrtc', tcp: 'no-webrtc' }],
    ['busy', { websocket: 'busy', udp: 'no-server' }],
  ])('is %s', (verdict, outcomes) => {
    expect(verdictOf(rungs(outcomes))).toBe(verdict);
  });
});

describe('what can be done', () => {
  it.each<[string, Hint[], Partial<Record<CheckRung, Outcome>>]>([
    ['everything works', [], {}],
    ['UDP is blocked', ['open-udp'], noUdp],
    ['the announced address is another one', ['announced-address'], { udp: 'no-answer', tcp: 'no-answer' }],
    ['only web traffic passes', ['open-udp'], noMediaButTls],
    ['nothing passes', ['no-way-for-media'], { ...noMediaButTls, 'turn-tls': 'no-relay' }],
    ['a proxy cuts WebSockets', ['websocket-proxy'], { websocket: 'closed' }],
    ['the certificate is not trusted', ['turn-tls-certificate'], { 'turn-tls': 'no-relay' }],
    ['the relay refuses', ['turn-refused'], { 'turn-udp': 'refused' }],
    ['there is no relay', ['no-turn'], noRelay],
    ['WebRTC is switched off', ['enable-webrtc'], { udp: 'no-webrtc' }],
    ['the server is busy', [], { websocket: 'busy' }],
    ['the server is gone', [], { page: 'closed', websocket: 'closed' }],
  ])('when %s', (_, hints, outcomes) => {
    expect(hintsOf(rungs(outcomes), true)).toEqual(hints);
  });

  it('is to find a network where the device has none', () => {
    expect(hintsOf(rungs({ page: 'closed', websocket: 'closed' }), false)).toEqual(['offline']);
  });

  it('is said of lossy and of slow networks', () => {
    expect(hintsOf(rungs({}, { loss: 0.06 }), true)).toEqual(['lossy']);
    expect(hintsOf(rungs({}, { loss: 0.02, roundTripMs: 320 }), true)).toEqual(['slow']);
  });
});
