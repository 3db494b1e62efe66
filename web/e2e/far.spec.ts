/** A long way that loses packets: what is missing would come too late if it had to be asked for, so parity comes with it. */
import { expect, test } from './support/fixtures.ts';
import { FarWay } from './support/far.ts';
import { ada, bo } from './support/people.ts';
import { tile } from './support/participant.ts';
import { Server } from './support/server.ts';
import { pictureStream } from './support/streams.ts';

const BAD = { delay: 150, loss: 0.06 };
const LOOK_MS = 6_000;

for (const [name, codec] of [
  ['FlexFEC', 'auto'],
  // Chromium's VP8 has no picture ids where it sends dependency descriptors, so that parity cannot go among its numbers.
  ['ULPFEC inside RED', 'vp9'],
] as const) {
  test(`on a long way that loses packets, ${name} comes along and pictures move`, async ({ guests }) => {
    const way = await FarWay.open();
    const server = await Server.launch('loopback', way.address);
    try {
      way.leadTo(server.port);
      await server.createRoom('far', { topology: 'sfu', codec });
      const [watcher, sender] = [await guests.chromium(ada), await guests.chromium(bo)];
      for (const guest of [watcher, sender]) {
        if (name !== 'FlexFEC') await guest.driver.page.addInitScript(forgetFlexfec);
        await guest.join(server.origin, 'far');
      }
      await watcher.expectToSee([ada, bo]);
      expect(await watcher.driver.evaluate(agreed, undefined)).toEqual(
        name === 'FlexFEC' ? ['flexfec-03'] : ['red', 'ulpfec'],
      );
      const parity = () => server.metric('conclave_media_parity_packets_total');
      expect(await parity(), 'on a short way without losses').toBe(0);

      way.turn(BAD);
      const look = () => watcher.driver.evaluate(pictureStream, `${tile(bo.name)} video`);
      // Browsers count what has a stream of its own.
      const seen = async () => (name === 'FlexFEC' ? (await look())?.parityPackets : parity());
      await expect.poll(seen, { message: 'parity', timeout: 25_000 }).toBeGreaterThan(0);
      const [before, sentBefore] = [await look(), await parity()];
      await watcher.driver.page.waitForTimeout(LOOK_MS);
      const [after, sentAfter] = [await look(), await parity()];
      if (!before || !after) throw new Error('the picture is gone');
      const frames = after.framesDecoded - before.framesDecoded;
      console.log(
        `    ${name} on ${after.codec}: ${frames} frames in ${LOOK_MS / 1_000} s,`,
        `frozen for ${(after.frozenFor - before.frozenFor).toFixed(2)} s;`,
        `packets of parity: ${sentAfter - sentBefore} sent to both,`,
        `${after.parityPackets - before.parityPackets} came`,
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
