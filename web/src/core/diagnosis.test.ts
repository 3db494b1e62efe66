import { describe, expect, it } from 'vitest';
import type { Tried } from './diagnosis';
import { candidateRungs, judgeAttempts } from './diagnosis';
import type { IceServer } from './proto';
import { readPairs, readRelays, readSample } from './stats';

const servers: IceServer[] = [
  { urls: ['turn:a.example?transport=udp', 'turn:a.example?transport=tcp', 'turns:a.example?transport=tcp'] },
];
const nothing: Tried = {
  direct: new Set(['webrtc-udp', 'webrtc-tcp']),
  servers,
  pairs: [],
  relays: new Set(),
  errors: [],
};

function outcomes(change: Partial<Tried>): Record<string, string> {
  return Object.fromEntries(
    judgeAttempts({ ...nothing, ...change }).map(({ rung, outcome, code }) => [
      rung,
      code === null ? outcome : `${outcome} ${code}`,
    ]),
  );
}

describe('why there is no connection', () => {
  it('tells silence from what was not there to try', () => {
    expect(outcomes({ direct: new Set(['webrtc-udp']), servers: [] })).toEqual({
      'webrtc-udp': 'silent',
      'webrtc-tcp': 'untried',
      'webrtc-turn-udp': 'untried',
      'webrtc-turn-tcp': 'untried',
      'webrtc-turn-tls': 'untried',
    });
  });

  it('tells a relay that refused from one that was not reached, and from one that nothing came through', () => {
    const errors = [
      { url: 'turn:a.example?transport=udp', code: 401 },
      { url: 'turns:a.example?transport=tcp', code: 701 },
    ];
    expect(outcomes({ errors, relays: new Set(['webrtc-turn-tcp']) })).toMatchObject({
      'webrtc-turn-udp': 'refused 401',
      'webrtc-turn-tcp': 'relay-silent',
      'webrtc-turn-tls': 'no-relay',
    });
  });

  it('says so when something came back all the same', () => {
    expect(outcomes({ pairs: [{ rung: 'webrtc-udp', answered: true }] })['webrtc-udp']).toBe('answered');
  });

  it('reads what the other end has offered', () => {
    const sdp =
      'a=candidate:1 1 udp 1 192.0.2.1 443 typ host\r\na=candidate:2 1 TCP 1 192.0.2.1 443 typ host\r\n';
    expect(candidateRungs(sdp)).toEqual(new Set(['webrtc-udp', 'webrtc-tcp']));
    expect(candidateRungs('v=0\r\n').size).toBe(0);
  });
});

describe('statistics of every browser', () => {
  const report = (local: object, remote: object = {}): [string, unknown][] => [
    ['T', { type: 'transport', selectedCandidatePairId: 'P' }],
    ['P', { type: 'candidate-pair', state: 'succeeded', localCandidateId: 'L', remoteCandidateId: 'R' }],
    ['L', { type: 'local-candidate', ...local }],
    ['R', { type: 'remote-candidate', candidateType: 'host', protocol: 'udp', ...remote }],
  ];

  it.each([
    ['webrtc-udp', { candidateType: 'host', protocol: 'udp' }],
    ['webrtc-udp', { candidateType: 'prflx', protocol: 'udp' }],
    ['webrtc-tcp', { candidateType: 'host', protocol: 'tcp' }],
    ['webrtc-tcp', { candidateType: 'prflx', protocol: 'ssltcp' }],
    ['webrtc-turn-udp', { candidateType: 'relay', protocol: 'udp', relayProtocol: 'udp' }],
    ['webrtc-turn-tcp', { candidateType: 'relay', protocol: 'udp', relayProtocol: 'tcp' }],
    ['webrtc-turn-tls', { candidateType: 'relay', protocol: 'udp', relayProtocol: 'tls' }],
    ['webrtc-turn-tls', { candidateType: 'relay', protocol: 'udp', url: 'turns:a.example?transport=tcp' }],
    ['webrtc-turn-udp', { candidateType: 'relay', protocol: 'udp' }],
  ])('%s is told by %j', (transport, local) => {
    expect(readSample(report(local), 0).transport).toBe(transport);
  });

  it('a relay at the other end is a relay', () => {
    const local = { candidateType: 'host', protocol: 'udp' };
    expect(readSample(report(local, { candidateType: 'relay' }), 0).transport).toBe('webrtc-turn-udp');
  });

  it('without transport statistics the pair says that it is selected', () => {
    const [, ...rest] = report({ candidateType: 'host', protocol: 'tcp' });
    const selected = rest.map(([id, stats]): [string, unknown] => [
      id,
      id === 'P' ? { ...(stats as object), selected: true } : stats,
    ]);
    expect(readSample(selected, 0).transport).toBe('webrtc-tcp');
  });

  it('names pairs and relays by their rung', () => {
    const stats = report({ candidateType: 'relay', relayProtocol: 'tcp' });
    expect(readPairs(stats)).toEqual([{ rung: 'webrtc-turn-tcp', answered: true }]);
    expect(readRelays(stats)).toEqual(new Set(['webrtc-turn-tcp']));
  });
});
