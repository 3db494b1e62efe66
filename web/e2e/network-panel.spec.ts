/** What the meeting's network panel tells of real streams, through the server and directly. */
import { join } from 'node:path';
import { seriousFaults } from './support/axe.ts';
import { expect, test } from './support/fixtures.ts';
import { testId } from './support/participant.ts';
import { screenshots } from './support/paths.ts';
import { ada, bo } from './support/people.ts';

for (const topology of ['sfu', 'p2p'] as const) {
  test(`every stream has its figures, and the other’s page reports (${topology})`, async ({
    server,
    guests,
  }) => {
    test.setTimeout(120_000);
    await server.createRoom('panel', { topology });
    const [first, second] = [
      await guests.chromium(ada, { viewport: { width: 1280, height: 900 } }),
      await guests.chromium(bo),
    ];
    for (const guest of [first, second]) await guest.join(server.origin, 'panel');
    for (const guest of [first, second]) await guest.expectToSee([ada, bo]);
    await first.expectTopology(topology);
    const { page } = first.driver;
    await page.locator(testId('meeting')).press('n');
    const stream = (direction: string, source: string) =>
      page.locator(`${testId('network-stream')}[data-direction="${direction}"][data-source="${source}"]`);

    await expect(stream('up', 'microphone')).toContainText(/[1-9]\d* kbit\/s/);
    await expect(stream('up', 'camera').first()).toContainText('Camera');
    await expect(stream('down', 'microphone')).toContainText('Microphone of Bo');
    await stream('up', 'microphone').locator('summary').click();
    await expect(stream('up', 'microphone')).toContainText('opus');
    await expect(stream('up', 'microphone')).toContainText(/Jitter\s*\d+ ms/);
    await expect(page.locator(testId('network-report'))).toContainText('Bo');
    expect(await seriousFaults(page)).toEqual([]);
    await page.screenshot({ path: join(screenshots, `network-panel-${topology}.png`) });
  });
}
