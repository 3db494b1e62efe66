/**
 * The ways that WebRTC knows through a network, best first, and what belongs to which. Pure.
 *
 * Each rung is tried by ICE at the same time; the names are those of `data-transport`.
 */
import type { Transport } from './model';
import type { IceServer } from './proto';

export const RUNGS = [
  'webrtc-udp',
  'webrtc-tcp',
  'webrtc-turn-udp',
  'webrtc-turn-tcp',
  'webrtc-turn-tls',
] as const satisfies readonly Transport[];
export type Rung = (typeof RUNGS)[number];

/** The rung that a preset names; null for none, or for a transport that is not of WebRTC. */
export function rungOf(transport: Transport | undefined): Rung | null {
  return RUNGS.find((rung) => rung === transport) ?? null;
}

export function isRelay(rung: Rung): boolean {
  return rung !== 'webrtc-udp' && rung !== 'webrtc-tcp';
}

/** The rung that a TURN server's address serves (RFC 7065); null for STUN and for what is no such address. */
export function rungOfUrl(url: string): Rung | null {
  const [, scheme, transport] = /^(turns?):[^?]+(?:\?transport=(\w+))?$/i.exec(url.trim()) ?? [];
  if (scheme === undefined) return null;
  if (scheme.toLowerCase() === 'turns') return 'webrtc-turn-tls';
  return transport?.toLowerCase() === 'tcp' ? 'webrtc-turn-tcp' : 'webrtc-turn-udp';
}

/** What is left of the servers when only one rung may be used. */
export function serversFor(rung: Rung | null, servers: readonly IceServer[]): IceServer[] {
  if (rung === null) return [...servers];
  const belongs = (url: string): boolean => {
    const of = rungOfUrl(url);
    // STUN finds the addresses by which two people reach each other over UDP.
    return of === rung || (of === null && rung === 'webrtc-udp');
  };
  return keep(servers, belongs);
}

/**
 * What is left of the servers for a connection to the SFU, which has the address of this server's own STUN and
 * TURN. Chromium gives all that comes from such a server's address over UDP to the code that speaks STUN or TURN
 * with it (libwebrtc, `UDPPort::OnReadPacket`): answers of the SFU to checks from the same socket would be
 * lost, and UDP never used. Nothing is lost without: UDP that reaches the relay reaches the SFU.
 *
 * @param host of this server, as a URL has it.
 */
export function serversToSfu(
  rung: Rung | null,
  servers: readonly IceServer[],
  host: string,
): readonly IceServer[] {
  // Who asks for that relay sends no checks but through it.
  if (rung === 'webrtc-turn-udp') return servers;
  const hides = (url: string): boolean => {
    const of = rungOfUrl(url);
    return (of === null || of === 'webrtc-turn-udp') && hostOfUrl(url) === host.toLowerCase();
  };
  return keep(servers, (url) => !hides(url));
}

/** The host of a STUN or TURN server's address (RFC 7064, RFC 7065), IPv6 in brackets as in a page's address. */
function hostOfUrl(url: string): string | undefined {
  return /^(?:stuns?|turns?):(\[[^\]]*\]|[^:?]*)/i.exec(url.trim())?.[1]?.toLowerCase();
}

function keep(servers: readonly IceServer[], kept: (url: string) => boolean): IceServer[] {
  return servers
    .map((server) => ({ ...server, urls: server.urls.filter(kept) }))
    .filter(({ urls }) => urls.length > 0);
}

/** Whether a candidate (RFC 8839, section 5.1) of the other end may be used on a rung. */
export function mayUse(rung: Rung | null, candidate: string): boolean {
  // What a relay reaches does not depend on how the relay is reached.
  if (rung === null || isRelay(rung)) return true;
  const transport = candidate.replace(/^a=/, '').split(' ')[2]?.toLowerCase();
  // Without one it is the end of candidates.
  if (transport === undefined) return true;
  return rung === 'webrtc-udp' ? transport === 'udp' : transport === 'tcp';
}

/** A description without the candidates that may not be used. */
export function restrict(rung: Rung | null, sdp: string): string {
  if (rung === null || isRelay(rung)) return sdp;
  return sdp
    .split('\r\n')
    .filter((line) => !line.startsWith('a=candidate:') || mayUse(rung, line))
    .join('\r\n');
}
