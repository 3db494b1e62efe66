import type { Clock } from '../clock';
import { candidateRungs } from '../diagnosis';
import type { Ice } from '../ice';
import { restrict } from '../ladder';
import { NO_TRACKS } from '../path';
import { SfuLeg } from '../sfu-leg';
import { readSample } from '../stats';
import type { CheckSocket } from './check-socket';
import type { Measured } from './model';
import { CheckFailure } from './model';
import type { Trial } from './trial';

/** After connecting, checks go on (RFC 7675): their round trip is settled after so long, in milliseconds. */
const SETTLE_MS = 500;

/**
 * A leg to the media plane as a meeting has it, without sound or picture, that may use candidates of one
 * kind only.
 */
export async function testMedia(
  rung: 'webrtc-udp' | 'webrtc-tcp',
  socket: CheckSocket,
  createConnection: (configuration: RTCConfiguration) => RTCPeerConnection,
  clock: Clock,
  trial: Trial,
): Promise<Measured> {
  const startedAt = clock.now();
  let connected = (): void => undefined;
  let failed = (): void => undefined;
  const outcome = new Promise<void>((resolve, reject) => {
    connected = resolve;
    failed = () => reject(new CheckFailure('no-answer'));
  });
  outcome.catch(() => undefined);
  const ice: Ice = {
    serversTo: () => [],
    renew: () => Promise.resolve(),
    configure: () => undefined,
    restrict: (sdp) => restrict(rung, sdp),
    mayUse: () => true,
  };
  const leg: SfuLeg = new SfuLeg(1, 0, NO_TRACKS, 'auto', {
    clock,
    ice,
    createConnection: () =>
      createConnection({ iceServers: [], bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' }),
    onState: (state) => {
      if (state === 'connected') connected();
      else if (state === 'failed') failed();
    },
    onAssignments: () => undefined,
    onNegotiationNeeded: () => undefined,
  });
  trial.onEnd(() => leg.close());

  const answer = await trial.race(socket.offer(await leg.offer(false)));
  if (!candidateRungs(answer.sdp).has(rung)) throw new CheckFailure('not-offered');
  await leg.accept(answer);
  await trial.race(outcome);
  const timeMs = clock.now() - startedAt;
  await trial.race(trial.pause(SETTLE_MS));
  const { roundTripMs } = readSample(await leg.connection.getStats(), clock.now());
  return { timeMs, roundTripMs, loss: null };
}
