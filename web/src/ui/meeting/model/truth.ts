/** What the page knows about how the call travels, and nothing that it does not know. */
import { isRelay, rungOf } from '../../../core/ladder';
import type { MeetingView, Transport } from '../../../core/model';
import type { PlainKey } from '../../../locales';

export interface Truth {
  /** For the bar. */
  short: PlainKey;
  /** Null as long as there is no path. */
  travels: PlainKey | null;
  why: PlainKey | null;
  transport: PlainKey | null;
  encryption: PlainKey | null;
}

const UNKNOWN = { travels: null, why: null, transport: null, encryption: null } as const;

export function truthOf(view: MeetingView): Truth {
  const { topology, topologyReason, moving, transport, state, participantCount } = view;
  const joined = state === 'connected' || state === 'reconnecting';
  const direct = topology !== 'sfu';
  if (!joined || topology === null || (direct && participantCount < 2)) {
    return { short: 'meeting.truth.waiting', ...UNKNOWN };
  }
  // In between, either path may carry a picture.
  if (moving) return { short: 'meeting.truth.moving', ...UNKNOWN };
  return {
    short: wayOf(direct, transport),
    travels:
      direct && isRelayed(transport) ? `meeting.truth.${topology}-relayed` : `meeting.truth.${topology}`,
    why: topologyReason ? `meeting.reason.${topologyReason}` : null,
    transport: transport ? `meeting.transport.${transport}` : null,
    encryption: encryption(direct, transport !== null),
  };
}

/** Between whom: a direct call that needs a relay is not quite direct. */
export function wayOf(direct: boolean, transport: Transport | null): PlainKey {
  if (!direct) return 'meeting.truth.server';
  return isRelayed(transport) ? 'meeting.truth.relayed' : 'meeting.truth.direct';
}

function isRelayed(transport: Transport | null): boolean {
  const rung = transport && rungOf(transport);
  return rung !== null && isRelay(rung);
}

/** Without a path nothing is sent, so nothing can be said about how. */
function encryption(direct: boolean, hasPath: boolean): PlainKey | null {
  if (!hasPath) return null;
  return direct ? 'meeting.truth.encrypted-direct' : 'meeting.truth.encrypted-server';
}
