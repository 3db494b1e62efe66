import type { Transport } from './model';
import type { TopologyChoice } from './proto';

/** What the address presets of what a person would choose. */
export interface UrlPresets {
  name: string | null;
  /** Join at once, as if the button had been pressed. */
  autojoin: boolean;
  /** For whoever makes the room. */
  topology: TopologyChoice | null;
  /** The only path that may be used, for those who test theirs. */
  transport: Transport | null;
}

const TOPOLOGIES = ['auto', 'p2p', 'mesh', 'sfu'] as const satisfies readonly TopologyChoice[];
const TRANSPORTS = [
  'webrtc-udp',
  'webrtc-tcp',
  'webrtc-turn-udp',
  'webrtc-turn-tcp',
  'webrtc-turn-tls',
  'webtransport',
  'datachannel',
  'websocket',
] as const satisfies readonly Transport[];

/** Reads the query; what is not understood is as if it were not there. */
export function readPresets(query: string): UrlPresets {
  const parameters = new URLSearchParams(query);
  return {
    name: parameters.get('name'),
    autojoin: parameters.get('autojoin') === '1',
    topology: oneOf(TOPOLOGIES, parameters.get('topology')),
    transport: oneOf(TRANSPORTS, parameters.get('transport')),
  };
}

function oneOf<T extends string>(allowed: readonly T[], value: string | null): T | null {
  return allowed.find((candidate) => candidate === value) ?? null;
}
