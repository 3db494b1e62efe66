/**
 * In what sound travels. Statistics do not tell: Chromium's name what is inside of redundant sound, Opus, and the
 * server could be wrong about itself. Encoded frames know their payload type (W3C WebRTC encoded transform).
 */
import type { Page } from '@playwright/test';

/** Frames in each format, such as `audio/red`. */
export interface Formats {
  sent: Record<string, number>;
  received: Record<string, number>;
}

declare global {
  interface Window {
    conclaveFormats: Formats;
  }
}

/** Passes frames on as they are, and tells of each what it is. */
const SOURCE = `onrtctransform = ({ transformer: { readable, writable } }) => {
  const look = new TransformStream({
    transform(frame, controller) {
      postMessage(frame.getMetadata().mimeType);
      controller.enqueue(frame);
    },
  });
  readable.pipeThrough(look).pipeTo(writable);
};`;

/**
 * Looks at all sound from the page's first connection on: a transform that comes later gets nothing of what already
 * flows. To be called before the page is opened; it has to be `unguarded`.
 */
export async function watchFormats(page: Page): Promise<void> {
  await page.addInitScript((source) => {
    const formats: Formats = (window.conclaveFormats = { sent: {}, received: {} });
    const worker = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    const tap = (count: Record<string, number>): RTCRtpScriptTransform => {
      const looking = new Worker(worker);
      looking.onmessage = ({ data }: MessageEvent<string>) => (count[data] = (count[data] ?? 0) + 1);
      return new RTCRtpScriptTransform(looking);
    };
    window.RTCPeerConnection = class extends RTCPeerConnection {
      override addTransceiver(
        trackOrKind: MediaStreamTrack | string,
        init?: RTCRtpTransceiverInit,
      ): RTCRtpTransceiver {
        const transceiver = super.addTransceiver(trackOrKind, init);
        const { sender, receiver, direction } = transceiver;
        if (receiver.track.kind !== 'audio') return transceiver;
        if (direction === 'recvonly') receiver.transform = tap(formats.received);
        else sender.transform = tap(formats.sent);
        return transceiver;
      }
    };
  }, SOURCE);
}

/** What was seen since {@link watchFormats}. */
export function seenFormats(page: Page): Promise<Formats> {
  return page.evaluate(() => window.conclaveFormats);
}
