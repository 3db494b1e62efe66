/** When sound and picture find no way, the meeting says what was tried and where to find out more. */
import { join } from 'node:path';
import { seriousFaults } from './support/axe.ts';
import { expect, test } from './support/fixtures.ts';
import { testId } from './support/participant.ts';
import { screenshots } from './support/paths.ts';
import { ada, bo } from './support/people.ts';

/** A path counts as failed after 8 s. */
const FAILED_MS = 20_000;

test('no way for sound and picture is a reason, not a spinner', async ({ server, guests }) => {
  await server.createRoom('walled', { topology: 'sfu' });
  // Browsers take no relay over TLS from a certificate that nobody has signed: the one rung that is left fails.
  const preset = { transport: 'webrtc-turn-tls' };
  const wide = await guests.chromium(ada, { viewport: { width: 1280, height: 800 } });
  const phone = await guests.chromium(bo, {
    viewport: { width: 390, height: 844 },
    phone: true,
    locale: 'zh-CN',
    colorScheme: 'dark',
  });
  await wide.join(server.origin, 'walled', preset);
  await phone.join(server.origin, 'walled', preset);
  for (const { driver, name } of [wide, phone]) {
    const blocked = driver.page.locator(testId('blocked'));
    await expect(blocked).toBeVisible({ timeout: FAILED_MS });
    await blocked.locator('summary').click();
    await expect(blocked.locator('[data-rung=webrtc-turn-tls]')).toHaveAttribute('data-outcome', 'no-relay');
    await expect(blocked.locator('[data-rung]'), 'only what was tried').toHaveCount(1);
    expect(await seriousFaults(driver.page), name).toEqual([]);
  }
  await expect(wide.driver.page.locator(testId('blocked'))).toContainText('no relay was given');
  await expect(phone.driver.page.locator(testId('blocked'))).toContainText('没有得到中继');
  await wide.driver.page.screenshot({ path: join(screenshots, 'blocked.png') });
  await phone.driver.page.screenshot({ path: join(screenshots, 'blocked-phone-chinese.png') });

  const opened = wide.driver.page.waitForEvent('popup');
  await wide.driver.page.click(testId('blocked-check'));
  const check = await opened;
  await expect(check).toHaveURL(`${server.origin}/check`);
  await expect(check.locator(testId('check-verdict'))).toHaveAttribute('data-verdict', 'udp', {
    timeout: FAILED_MS,
  });
  await check.close();
  await wide.expectState('connected');
  await wide.leave();
});

for (const transport of ['webrtc-udp', 'webrtc-tcp', 'webrtc-turn-udp', 'webrtc-turn-tcp'] as const) {
  test(`a link can ask for one rung: ${transport}`, async ({ server, guests }) => {
    await server.createRoom('rungs', { topology: 'sfu' });
    const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
    await first.join(server.origin, 'rungs', { transport });
    await second.join(server.origin, 'rungs');
    for (const guest of [first, second]) await guest.expectToSee([ada, bo]);
    await expect.poll(() => first.attribute('data-transport')).toBe(transport);
    // Whoever asks for nothing goes straight, by UDP unless the machine stood still for a moment.
    await expect.poll(() => second.attribute('data-transport')).toMatch(/^webrtc-(udp|tcp)$/);
  });
}
