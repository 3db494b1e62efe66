/**
 * What arrives for one tile and what a page sends, as the browser's own statistics tell (W3C WebRTC statistics). The
 * functions run in the page and refer to nothing outside themselves.
 */

/** The picture of one tile. */
export interface PictureStream {
  /** Such as `VP8`. */
  codec: string;
  width: number;
  height: number;
  framesDecoded: number;
  keyFramesDecoded: number;
  freezeCount: number;
  /** Seconds. */
  frozenFor: number;
  packetsLost: number;
  nackCount: number;
  pliCount: number;
  /** What came so that lost packets need not be asked for. */
  parityPackets: number;
  decoder: string;
}

/** A sender report that arrived (RFC 3550, section 6.4.1), in milliseconds since 1970. */
export interface Report {
  kind: 'audio' | 'video';
  /** By the clock of whom it is about. */
  sentAt: number;
  /** By this machine's. */
  arrivedAt: number;
}

/** All sounds that arrive, counted since each began. */
export interface SoundStreams {
  /** Those of which anything has come. */
  voices: number;
  samples: number;
  /** Samples that were made up for want of packets; silence that nothing was sent for is left out. */
  concealed: number;
  /** Everything that came, pictures too. */
  allBytes: number;
}

/** One encoding that is sent. */
export interface SentEncoding {
  codec: string;
  rid: string;
  width: number;
  scalabilityMode: string;
  framesSent: number;
  keyFramesEncoded: number;
}

/** The fields of RTCStats that are read here. */
interface Stat {
  type: string;
  kind?: string;
  codecId?: string;
  mimeType?: string;
  trackIdentifier?: string;
  frameWidth?: number;
  frameHeight?: number;
  framesDecoded?: number;
  framesSent?: number;
  keyFramesDecoded?: number;
  keyFramesEncoded?: number;
  freezeCount?: number;
  totalFreezesDuration?: number;
  packetsLost?: number;
  nackCount?: number;
  pliCount?: number;
  fecPacketsReceived?: number;
  decoderImplementation?: string;
  timestamp?: number;
  remoteTimestamp?: number;
  rid?: string;
  scalabilityMode?: string;
  bytesReceived?: number;
  concealedSamples?: number;
  silentConcealedSamples?: number;
  totalSamplesReceived?: number;
}

/** What arrives for the picture of `selector`, a video element; null while nothing does. */
export async function pictureStream(selector: string): Promise<PictureStream | null> {
  const shown = document.querySelector<HTMLVideoElement>(selector)?.srcObject;
  const track = shown instanceof MediaStream ? shown.getVideoTracks()[0] : undefined;
  if (track === undefined) return null;
  for (const connection of window.conclaveProbe.connections) {
    if (connection.connectionState !== 'connected') continue;
    const report = (await connection.getStats()) as unknown as ReadonlyMap<string, Stat>;
    for (const stat of report.values()) {
      if (stat.type !== 'inbound-rtp' || stat.trackIdentifier !== track.id) continue;
      return {
        codec: report.get(stat.codecId ?? '')?.mimeType?.replace('video/', '') ?? '',
        width: stat.frameWidth ?? 0,
        height: stat.frameHeight ?? 0,
        framesDecoded: stat.framesDecoded ?? 0,
        keyFramesDecoded: stat.keyFramesDecoded ?? 0,
        freezeCount: stat.freezeCount ?? 0,
        frozenFor: stat.totalFreezesDuration ?? 0,
        packetsLost: stat.packetsLost ?? 0,
        nackCount: stat.nackCount ?? 0,
        pliCount: stat.pliCount ?? 0,
        parityPackets: stat.fecPacketsReceived ?? 0,
        decoder: stat.decoderImplementation ?? '',
      };
    }
  }
  return null;
}

/** What arrives for the ear. */
export async function soundStreams(): Promise<SoundStreams> {
  const all: SoundStreams = { voices: 0, samples: 0, concealed: 0, allBytes: 0 };
  for (const connection of window.conclaveProbe.connections) {
    if (connection.connectionState !== 'connected') continue;
    const report = (await connection.getStats()) as unknown as ReadonlyMap<string, Stat>;
    for (const stat of report.values()) {
      if (stat.type === 'transport') all.allBytes += stat.bytesReceived ?? 0;
      if (stat.type !== 'inbound-rtp' || stat.kind !== 'audio' || (stat.bytesReceived ?? 0) === 0) continue;
      all.voices += 1;
      all.samples += stat.totalSamplesReceived ?? 0;
      all.concealed += (stat.concealedSamples ?? 0) - (stat.silentConcealedSamples ?? 0);
    }
  }
  return all;
}

/** The last sender report of each stream. */
export async function senderReports(): Promise<Report[]> {
  const reports: Report[] = [];
  for (const connection of window.conclaveProbe.connections) {
    if (connection.connectionState !== 'connected') continue;
    const report = (await connection.getStats()) as unknown as ReadonlyMap<string, Stat>;
    for (const { type, kind, remoteTimestamp, timestamp } of report.values()) {
      if (type !== 'remote-outbound-rtp' || remoteTimestamp === undefined || timestamp === undefined)
        continue;
      reports.push({
        kind: kind === 'audio' ? 'audio' : 'video',
        sentAt: remoteTimestamp,
        arrivedAt: timestamp,
      });
    }
  }
  return reports;
}

/** What this page sends of one kind, encoding by encoding; those that never sent a frame are left out. */
export async function sentEncodings(kind: 'audio' | 'video'): Promise<SentEncoding[]> {
  const sent: SentEncoding[] = [];
  for (const connection of window.conclaveProbe.connections) {
    if (connection.connectionState !== 'connected') continue;
    const report = (await connection.getStats()) as unknown as ReadonlyMap<string, Stat>;
    for (const stat of report.values()) {
      if (stat.type !== 'outbound-rtp' || stat.kind !== kind) continue;
      if (kind === 'video' && (stat.framesSent ?? 0) === 0) continue;
      sent.push({
        codec: report.get(stat.codecId ?? '')?.mimeType?.replace(/^.*\//, '') ?? '',
        rid: stat.rid ?? '',
        width: stat.frameWidth ?? 0,
        scalabilityMode: stat.scalabilityMode ?? '',
        framesSent: stat.framesSent ?? 0,
        keyFramesEncoded: stat.keyFramesEncoded ?? 0,
      });
    }
  }
  return sent;
}
