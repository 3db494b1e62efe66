/** A browser that reports arrivals by source (RFC 8888), and takes such reports, in place of transport-wide feedback. */
import { expect, test } from './support/fixtures.ts';
import { tile } from './support/participant.ts';
import { ada, bo } from './support/people.ts';
import { pictureStream } from './support/streams.ts';

/** Chromium has it behind a trial. */
const REPORTS_BY_SOURCE = {
  arguments: ['--force-fieldtrials=WebRTC-RFC8888CongestionControlFeedback/Enabled,offer:true/'],
};

test('two browsers that report by source see each other, and both sides find out what the network takes', async ({
  server,
  guests,
}) => {
  test.setTimeout(120_000);
  await server.createRoom('by-source', { topology: 'sfu' });
  const [first, second] = [
    await guests.chromium(ada, REPORTS_BY_SOURCE),
    await guests.chromium(bo, REPORTS_BY_SOURCE),
  ];
  for (const guest of [first, second]) {
    await guest.driver.page.addInitScript(askForNothingElse);
    await guest.join(server.origin, 'by-source');
  }
  for (const guest of [first, second]) {
    await guest.expectToSee([ada, bo]);
    expect(await guest.driver.evaluate(agreed, undefined), 'what feedback was agreed on').toEqual(['ccfb']);
  }
  // What the browser may send follows from the server's reports; it begins at 300 kbit/s, and probes for more only then.
  for (const guest of [first, second])
    await expect
      .poll(() => guest.driver.evaluate(available, undefined), {
        message: `what ${guest.name}'s browser may send, kbit/s`,
        timeout: 30_000,
      })
      .toBeGreaterThan(400);
  // What the server sends follows from the browser's: the small layer needs no reports, the largest does.
  await expect
    .poll(async () => (await first.driver.evaluate(pictureStream, `${tile(bo.name)} video`))?.width, {
      message: 'the width of the picture',
      timeout: 30_000,
    })
    .toBeGreaterThan(320);
  console.log(
    `    by source: browsers may send ${await first.driver.evaluate(available, undefined)} and`,
    `${await second.driver.evaluate(available, undefined)} kbit/s`,
  );
});

/** As a browser would offer that knows no transport-wide feedback: where both are offered, the server takes that. */
function askForNothingElse(): void {
  const real = Reflect.get(RTCPeerConnection.prototype, 'createOffer') as (
    this: RTCPeerConnection,
  ) => Promise<RTCSessionDescriptionInit>;
  const value = async function (this: RTCPeerConnection): Promise<RTCSessionDescriptionInit> {
    const { type, sdp } = await real.call(this);
    return { type, sdp: sdp?.replace(/a=rtcp-fb:\d+ transport-cc\r\n/g, '') };
  };
  Object.defineProperty(RTCPeerConnection.prototype, 'createOffer', { value });
}

/** What the server's answer names for feedback on all packets. */
function agreed(): string[] {
  const answers = window.conclaveProbe.connections.map(
    ({ currentRemoteDescription }) => currentRemoteDescription?.sdp ?? '',
  );
  return ['ccfb', 'transport-cc'].filter((name) => answers.some((sdp) => sdp.includes(` ${name}\r\n`)));
}

/** What congestion control in the browser allows, kbit/s. */
async function available(): Promise<number> {
  let most = 0;
  for (const connection of window.conclaveProbe.connections) {
    for (const stat of (await connection.getStats()).values() as Iterable<{
      type: string;
      availableOutgoingBitrate?: number;
    }>)
      if (stat.type === 'candidate-pair') most = Math.max(most, stat.availableOutgoingBitrate ?? 0);
  }
  return Math.round(most / 1_000);
}
