/** What is off is off, and what is private stays so. */
import { expect, test } from './support/fixtures.ts';
import { testId } from './support/participant.ts';
import { ada, bo } from './support/people.ts';

/** RTCInboundRtpStreamStats.totalAudioEnergy of a second of speech here is above 0.01. */
const SILENCE = 1e-5;

for (const topology of ['auto', 'sfu'] as const) {
  test(`who is muted sends no speech (${topology})`, async ({ server, guests }) => {
    await server.createRoom('mute', { topology });
    const [speaker, listener] = [await guests.chromium(ada), await guests.chromium(bo)];
    await speaker.join(server.origin, 'mute');
    await listener.join(server.origin, 'mute');
    await listener.expectToHear([ada]);

    await speaker.driver.click(testId('toggle-microphone'));
    // What was said before is still on its way, in jitter buffers and on the wire.
    await expect.poll(() => listener.heardWithin(500), { timeout: 10_000 }).toBeLessThan(SILENCE);
    const heard = await listener.heardWithin(4_000);
    console.log(`energy heard in 4 s while muted (${topology}): ${heard}`);
    expect(heard).toBeLessThan(SILENCE);
    await expect(speaker.driver.page.locator(testId('toggle-microphone'))).toHaveAttribute(
      'aria-pressed',
      'false',
    );

    await speaker.driver.click(testId('toggle-microphone'));
    await listener.expectToHear([ada]);
  });

  test(`who switches the camera off sends no picture (${topology})`, async ({ server, guests }) => {
    await server.createRoom('dark', { topology });
    const [shown, viewer] = [await guests.chromium(ada), await guests.chromium(bo)];
    await shown.join(server.origin, 'dark');
    await viewer.join(server.origin, 'dark');
    await viewer.expectMovingPicture(ada);

    await shown.driver.click(testId('toggle-camera'));
    const presented = async () => {
      const from = Date.now();
      await new Promise((done) => setTimeout(done, 1_000));
      return (await viewer.framesSince(from)).get('Ada/camera')?.frames ?? 0;
    };
    await expect.poll(presented).toBe(0);
    await viewer.expectTiles(['Ada', 'Bo']);

    await shown.driver.click(testId('toggle-camera'));
    await viewer.expectMovingPicture(ada);
  });
}

test('the page and the server keep names, rooms and addresses to themselves', async ({ server, guests }) => {
  const name = 'Ada Byron Lovelace';
  const guest = await guests.chromium({ ...ada, name });
  const other = await guests.chromium(bo);
  await guest.join(server.origin, 'secret-garden');
  await other.join(server.origin, 'secret-garden');
  await guest.expectMovingPicture(bo);
  await guest.leave();
  for (const word of ['Ada', 'Lovelace', 'secret-garden']) expect(server.log).not.toContain(word);

  const response = await fetch(`${server.origin}/m/secret-garden`);
  const policy = response.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'self'");
  expect(policy).toContain('require-trusted-types-for');
  expect(policy).toMatch(/frame-ancestors/);
  expect(policy).not.toMatch(/script-src[^;]*unsafe/);
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(response.headers.get('referrer-policy')).toBeTruthy();
  expect(response.headers.get('permissions-policy')).toBeTruthy();
});
