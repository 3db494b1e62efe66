import { describe, expect, it } from 'vitest';
import { mayUse, restrict, rungOfUrl, serversFor, serversToSfu } from './ladder';
import type { IceServer } from './proto';

const servers: IceServer[] = [
  { urls: ['stun:meet.example:443'] },
  {
    urls: [
      'turn:meet.example:443?transport=udp',
      'turn:meet.example:443?transport=tcp',
      'turns:meet.example:443?transport=tcp',
    ],
    username: 'u',
    credential: 'c',
  },
];

describe('a server’s address', () => {
  it.each([
    ['turn:meet.example', 'webrtc-turn-udp'],
    ['turn:[2001:db8::1]:443?transport=udp', 'webrtc-turn-udp'],
    ['TURN:meet.example:443?transport=TCP', 'webrtc-turn-tcp'],
    ['turns:meet.example:443?transport=tcp', 'webrtc-turn-tls'],
    ['turns:meet.example', 'webrtc-turn-tls'],
    ['stun:meet.example', null],
    ['nonsense', null],
    ['', null],
  ])('%s is of %s', (url, rung) => {
    expect(rungOfUrl(url)).toBe(rung);
  });
});

describe('a connection to the SFU', () => {
  const urls = (rung: Parameters<typeof serversToSfu>[0], of: readonly IceServer[], host: string) =>
    serversToSfu(rung, of, host).flatMap((server) => server.urls);

  it('has no STUN and no TURN over UDP at the SFU’s own address', () => {
    const left = ['turn:meet.example:443?transport=tcp', 'turns:meet.example:443?transport=tcp'];
    expect(urls(null, servers, 'meet.example')).toEqual(left);
    expect(urls(null, servers, 'MEET.example')).toEqual(left);
    const six = [{ urls: ['stun:[2001:db8::1]:443', 'turn:[2001:db8::1]:443?transport=udp'] }];
    expect(urls(null, six, '[2001:db8::1]')).toEqual([]);
  });

  it('has those of other servers, and the relay that a preset asks for', () => {
    expect(serversToSfu(null, servers, 'other.example')).toEqual(servers);
    expect(urls('webrtc-turn-udp', servers, 'meet.example')).toContain('turn:meet.example:443?transport=udp');
  });
});

describe('a preset', () => {
  const urls = (rung: Parameters<typeof serversFor>[0]) =>
    serversFor(rung, servers).flatMap((server) => server.urls);

  it('leaves the servers of its rung, with who the client is to them', () => {
    expect(urls('webrtc-turn-tcp')).toEqual(['turn:meet.example:443?transport=tcp']);
    expect(serversFor('webrtc-turn-tls', servers)[0]).toMatchObject({ username: 'u', credential: 'c' });
    expect(urls('webrtc-udp')).toEqual(['stun:meet.example:443']);
    expect(urls('webrtc-tcp')).toEqual([]);
    expect(serversFor(null, servers)).toEqual(servers);
  });

  it('leaves the candidates of its rung', () => {
    const udp = 'candidate:1 1 UDP 2130706431 203.0.113.10 443 typ host';
    const tcp = 'candidate:2 1 tcp 1671430143 203.0.113.10 443 typ host tcptype passive';
    const sdp = ['v=0', `a=${udp}`, `a=${tcp}`, 'a=end-of-candidates', ''].join('\r\n');
    expect(restrict('webrtc-udp', sdp)).toBe(['v=0', `a=${udp}`, 'a=end-of-candidates', ''].join('\r\n'));
    expect(restrict('webrtc-tcp', sdp)).toBe(['v=0', `a=${tcp}`, 'a=end-of-candidates', ''].join('\r\n'));
    expect(restrict('webrtc-turn-tls', sdp), 'a relay reaches it over UDP').toBe(sdp);
    expect(restrict(null, sdp)).toBe(sdp);
    expect(mayUse('webrtc-tcp', udp)).toBe(false);
    expect(mayUse('webrtc-tcp', ''), 'the end of candidates').toBe(true);
  });
});
