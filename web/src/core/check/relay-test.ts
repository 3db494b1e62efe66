import type { Clock } from '../clock';
import { Diagnosis, refusalOf } from '../diagnosis';
import type { Rung } from '../ladder';
import type { IceServer } from '../proto';
import type { Measured } from './model';
import { CheckFailure } from './model';
import type { Trial } from './trial';

/** As many packets as a second of speech has, as large as those of one voice. */
const PACKETS = 50;
const PACKET_EVERY_MS = 20;
const PACKET_BYTES = 160;
/** For the last ones to arrive, in milliseconds. */
const LAST_WAIT_MS = 600;

/**
 * Two connections of this page that reach each other only through one TURN server: whatever one sends
 * goes up to the server and comes down to the other.
 */
export async function testRelay(
  rung: Rung,
  server: IceServer,
  createConnection: (configuration: RTCConfiguration) => RTCPeerConnection,
  clock: Clock,
  trial: Trial,
): Promise<Measured> {
  const startedAt = clock.now();
  const configuration: RTCConfiguration = { iceServers: [server], iceTransportPolicy: 'relay' };
  const [sender, receiver] = [createConnection(configuration), createConnection(configuration)];
  for (const connection of [sender, receiver]) trial.onEnd(() => connection.close());
  const diagnoses = [new Diagnosis(sender), new Diagnosis(receiver)];
  let relays = 0;

  const stuck = new Promise<never>((_, reject) => {
    for (const connection of [sender, receiver]) {
      connection.addEventListener('icegatheringstatechange', () => {
        if (connection.iceGatheringState === 'complete' && relays === 0) reject(new CheckFailure('no-relay'));
      });
    }
  });
  stuck.catch(() => undefined);

  const out = sender.createDataChannel('check', { ordered: false, maxRetransmits: 0 });
  const incoming = new Promise<RTCDataChannel>((resolve) => {
    receiver.ondatachannel = ({ channel }) => resolve(channel);
  });
  const opened = new Promise<void>((resolve) => (out.onopen = () => resolve()));
  const described = describe(sender, receiver, () => (relays += 1));

  try {
    await trial.race(Promise.race([described, stuck]));
    const [channel] = await trial.race(Promise.race([Promise.all([incoming, opened]), stuck]));
    const timeMs = clock.now() - startedAt;
    return { timeMs, ...(await count(out, channel, clock, trial)) };
  } catch (error) {
    const code = refusalOf(
      rung,
      diagnoses.flatMap(({ errors }) => errors),
    );
    if (relays === 0 && code !== null) throw new CheckFailure('refused', code);
    if (error instanceof CheckFailure && error.kind === 'no-answer')
      throw new CheckFailure(relays === 0 ? 'no-relay' : 'nothing-through');
    throw error;
  }
}

/** Introduces the two connections to each other. */
async function describe(
  sender: RTCPeerConnection,
  receiver: RTCPeerConnection,
  onRelay: () => void,
): Promise<void> {
  let ready = (): void => undefined;
  const bothDescribed = new Promise<void>((resolve) => (ready = resolve));
  for (const [from, to] of [
    [sender, receiver],
    [receiver, sender],
  ] as const) {
    from.onicecandidate = ({ candidate }) => {
      if (!candidate || candidate.candidate === '') return;
      onRelay();
      // Refused only by a connection that is closed by now.
      void bothDescribed.then(() => to.addIceCandidate(candidate)).catch(() => undefined);
    };
  }
  await sender.setLocalDescription(await sender.createOffer());
  await receiver.setRemoteDescription(descriptionOf(sender));
  await receiver.setLocalDescription(await receiver.createAnswer());
  await sender.setRemoteDescription(descriptionOf(receiver));
  ready();
}

function descriptionOf({ localDescription }: RTCPeerConnection): RTCSessionDescriptionInit {
  return { type: localDescription?.type ?? 'offer', sdp: localDescription?.sdp ?? '' };
}

/** Sends numbered packets at the pace of speech and sees which arrive, and when. */
async function count(
  out: RTCDataChannel,
  incoming: RTCDataChannel,
  clock: Clock,
  trial: Trial,
): Promise<Pick<Measured, 'roundTripMs' | 'loss'>> {
  const sentAt: number[] = [];
  const trips = new Map<number, number>();
  let allHere = (): void => undefined;
  const complete = new Promise<void>((resolve) => (allHere = resolve));
  incoming.binaryType = 'arraybuffer';
  incoming.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (!(data instanceof ArrayBuffer) || data.byteLength !== PACKET_BYTES) return;
    const number = new DataView(data).getUint32(0);
    const sent = sentAt[number];
    if (sent === undefined || trips.has(number)) return;
    trips.set(number, clock.now() - sent);
    if (trips.size === PACKETS) allHere();
  };
  for (let number = 0; number < PACKETS; number++) {
    const packet = new DataView(new ArrayBuffer(PACKET_BYTES));
    packet.setUint32(0, number);
    sentAt.push(clock.now());
    out.send(packet.buffer);
    if (number < PACKETS - 1) await trial.race(trial.pause(PACKET_EVERY_MS));
  }
  await trial.race(Promise.race([complete, trial.pause(LAST_WAIT_MS)]));
  if (trips.size === 0) throw new CheckFailure('nothing-through');
  return { roundTripMs: median([...trips.values()]), loss: 1 - trips.size / PACKETS };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return ((low ?? 0) + (high ?? 0)) / 2;
}
