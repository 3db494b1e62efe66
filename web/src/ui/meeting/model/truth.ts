/** What the page knows about how the call travels, and nothing that it does not know. */
import type { MeetingView } from '../../../core/model';
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
  const { topology, topologyReason, moving, transport, state, participants } = view;
  const joined = state === 'connected' || state === 'reconnecting';
  const direct = topology !== 'sfu';
  if (!joined || topology === null || (direct && participants.length < 2)) {
    return { short: 'meeting.truth.waiting', ...UNKNOWN };
  }
  // In between, either path may carry a picture.
  if (moving) return { short: 'meeting.truth.moving', ...UNKNOWN };
  return {
    short: direct ? 'meeting.truth.direct' : 'meeting.truth.server',
    travels: `meeting.truth.${topology}`,
    why: topologyReason ? `meeting.reason.${topologyReason}` : null,
    transport: transport ? `meeting.transport.${transport}` : null,
    encryption: encryption(direct, transport !== null),
  };
}

/** Without a path nothing is sent, so nothing can be said about how. */
function encryption(direct: boolean, hasPath: boolean): PlainKey | null {
  if (!hasPath) return null;
  return direct ? 'meeting.truth.encrypted-direct' : 'meeting.truth.encrypted-server';
}
