/** Which way a person's media really takes: read from the connection itself, not from what the page says of it. */
import type { Driver } from '../../support/driver.ts';

/** The selected candidate pair of one connection, in the words of `getStats`. */
export interface SelectedPair {
  localType: string;
  remoteType: string;
  protocol: string;
  /** How the browser speaks to its TURN server; null without one. */
  relayProtocol: string | null;
  /** The TURN server; null without one. */
  relayUrl: string | null;
  remoteAddress: string;
}

/** The ways that a table names; the page calls them `webrtc-…`. */
export type Way = 'udp' | 'tcp' | 'turn-udp' | 'turn-tcp' | 'turn-tls';

/**
 * What is promised of a way. Of several relays a browser keeps to the one that has connected first, and gathers no
 * more: by how much UDP comes before TCP, and TCP before TLS, is a matter of round trips, of which these networks
 * have none.
 */
export type Promised = Way | 'turn' | 'turn-stream';

export function keeps(promised: Promised, way: Way): boolean {
  if (promised === 'turn') return way.startsWith('turn-');
  if (promised === 'turn-stream') return way === 'turn-tcp' || way === 'turn-tls';
  return way === promised;
}

export function wayOf(pair: SelectedPair): Way {
  if (pair.relayProtocol !== null) return `turn-${pair.relayProtocol}` as Way;
  return pair.protocol === 'tcp' ? 'tcp' : 'udp';
}

/** Candidate types of both ends, for people: `host → prflx`. */
export function typesOf(pair: SelectedPair): string {
  const relay = pair.relayProtocol === null ? '' : ` by ${pair.relayProtocol.toUpperCase()}`;
  return `${pair.localType}${relay} → ${pair.remoteType}`;
}

export function selectedPairs(driver: Driver): Promise<SelectedPair[]> {
  return driver.evaluate(inPage, undefined);
}

/** Runs in the page: refers to nothing outside itself. */
async function inPage(): Promise<SelectedPair[]> {
  interface Stat {
    type: string;
    selectedCandidatePairId?: string;
    localCandidateId?: string;
    remoteCandidateId?: string;
    candidateType?: string;
    protocol?: string;
    relayProtocol?: string;
    url?: string;
    address?: string;
  }
  const pairs: SelectedPair[] = [];
  for (const connection of window.conclaveProbe.connections) {
    if (connection.connectionState !== 'connected') continue;
    const report = (await connection.getStats()) as unknown as ReadonlyMap<string, Stat>;
    for (const transport of report.values()) {
      if (transport.type !== 'transport') continue;
      const pair = report.get(transport.selectedCandidatePairId ?? '');
      const local = report.get(pair?.localCandidateId ?? '');
      const remote = report.get(pair?.remoteCandidateId ?? '');
      if (local === undefined || remote === undefined) continue;
      pairs.push({
        localType: local.candidateType ?? '',
        remoteType: remote.candidateType ?? '',
        protocol: local.protocol ?? '',
        relayProtocol: local.candidateType === 'relay' ? (local.relayProtocol ?? '') : null,
        relayUrl: local.candidateType === 'relay' ? (local.url ?? '') : null,
        remoteAddress: remote.address ?? '',
      });
    }
  }
  return pairs;
}
