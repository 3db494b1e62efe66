/** A long way that loses packets: what is missing would come too late if it had to be asked for, so parity comes with it. */
import { setTimeout } from 'node:timers/promises';
import { ChromiumDriver } from './support/driver.ts';
import { expect, test } from './support/fixtures.ts';
import { FarWay } from './support/far.ts';
import { ada, bo } from './support/people.ts';
import { testId, tile } from './support/participant.ts';
import { Server } from './support/server.ts';
import { pictureStream } from './support/streams.ts';

const BAD = { delay: 150, loss: 0.06 };
const LOOK_MS = 6_000;

for (const [name, codec, browser] of [
  ['FlexFEC', 'auto', 'chromium'],
  // Firefox counts no parity: what it makes of it shows in its picture only.
  // Chromium's VP8 has no picture ids where it sends dependency descriptors, so that parity cannot go among its numbers.
  ['ULPFEC inside RED', 'vp9', 'chromium'],
  ['ULPFEC inside RED, in Firefox,', 'vp9', 'firefox'],
] as const) {
  test(`on a long way that loses packets, ${name} comes along and pictures move`, async ({ guests }) => {
    const reach = browser === 'firefox' ? 'interfaces' : 'loopback';
    const way = await FarWay.open(reach);
    const server = await Server.launch(reach, way.address);
    try {
      way.leadTo(server.port);
      await server.createRoom('far', { topology: 'sfu', codec });
      const [watcher, sender] = [await guests[browser](ada), await guests.chromium(bo)];
      for (const guest of [watcher, sender]) {
        if (name !== 'FlexFEC' && guest.driver instanceof ChromiumDriver)
          await guest.driver.page.addInitScript(forgetFlexfec);
        await guest.join(server.origin, 'far');
      }
      await watcher.expectToSee([ada, bo]);
      expect(await watcher.driver.evaluate(agreed, undefined)).toEqual(
        name === 'FlexFEC' ? ['flexfec-03'] : ['red', 'ulpfec'],
      );
      // Who is the only one to be sent pictures is the only one to be sent parity.
      await watcher.driver.click(testId('toggle-camera'));
      const parity = () => server.metric('conclave_media_parity_packets_total');
      expect(await parity(), 'on a short way without losses').toBe(0);

      way.turn(BAD);
      const look = () => watcher.driver.evaluate(pictureStream, `${tile(bo.name)} video`);
      // Browsers count what has a stream of its own.
      const seen = async () => (name === 'FlexFEC' ? (await look())?.parityPackets : parity());
      await expect.poll(seen, { message: 'parity', timeout: 25_000 }).toBeGreaterThan(0);
      const [before, sentBefore] = [await look(), await parity()];
      await setTimeout(LOOK_MS);
      const [after, sentAfter] = [await look(), await parity()];
      if (!before || !after) throw new Error('the picture is gone');
      const frames = after.framesDecoded - before.framesDecoded;
      console.log(
        `    ${name} on ${after.codec}: ${frames} frames in ${LOOK_MS / 1_000} s,`,
        `frozen for ${(after.frozenFor - before.frozenFor).toFixed(2)} s;`,
        `packets of parity: ${sentAfter - sentBefore} sent,`,
        `${after.parityPackets - before.parityPackets} counted by the browser`,
      );
      expect(sentAfter).toBeGreaterThan(sentBefore);
      expect(frames / (LOOK_MS / 1_000), 'frames per second').toBeGreaterThan(5);
      await watcher.expectMovingPicture(bo);
    } finally {
      way.close();
      await server.remove();
    }
  });
}

/** As in Firefox and Safari, which have ULPFEC only. */
function forgetFlexfec(): void {
  const all = RTCRtpReceiver.getCapabilities.bind(RTCRtpReceiver);
  RTCRtpReceiver.getCapabilities = (kind) => {
    const capabilities = all(kind);
    const codecs = capabilities?.codecs.filter(({ mimeType }) => !mimeType.includes('flexfec'));
    return capabilities && { ...capabilities, codecs: codecs ?? [] };
  };
}

/** Which parity the server has agreed to. */
function agreed(): string[] {
  const answers = window.conclaveProbe.connections.map(
    ({ currentRemoteDescription }) => currentRemoteDescription?.sdp,
  );
  return ['flexfec-03', 'red', 'ulpfec'].filter((name) =>
    answers.some((sdp) => sdp?.includes(` ${name}/90000`)),
  );
}
