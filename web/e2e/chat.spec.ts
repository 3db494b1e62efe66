/** Chat is text, arrives in order, and waits for those who come late. */
import { chatTexts, openChat, sendChat } from './support/chat.ts';
import { expect, test } from './support/fixtures.ts';
import { testId } from './support/participant.ts';
import { ada, bo, chen } from './support/people.ts';

/** Text that would be more than text where a page is careless. */
const PAYLOADS = [
  '<script>window.harmed = true</script>',
  '<img src=x onerror="window.harmed = true">',
  '<svg/onload=window.harmed=true>',
  '"><iframe srcdoc="<script>parent.harmed=true</script>">',
  'javascript:window.harmed=true',
  '{{constructor.constructor("window.harmed=true")()}}',
  '<style>*{display:none}</style>',
  '&lt;b&gt;bold&lt;/b&gt; <b>bold</b>',
  '<math><mtext><table><mglyph><style><img src=x onerror=window.harmed=true>',
];

test('messages arrive in order, and those who come late read them too', async ({ server, guests }) => {
  const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
  await first.join(server.origin, 'talk');
  await second.join(server.origin, 'talk');
  await sendChat(first, 'good morning\nwith a second line');
  await sendChat(first, 'see https://example.org/agenda for the agenda');

  await expect(second.driver.page.locator(testId('unread'))).toContainText('2');
  await openChat(second);
  await sendChat(second, '早上好');
  const expected = [
    'good morning\nwith a second line',
    'see https://example.org/agenda for the agenda',
    '早上好',
  ];
  for (const guest of [first, second]) await expect.poll(() => chatTexts(guest)).toEqual(expected);

  const link = first.driver.page.locator(`${testId('chat-message')} a`);
  await expect(link).toHaveAttribute('href', 'https://example.org/agenda');
  await expect(link).toHaveAttribute('rel', /noopener/);
  await expect(link).toHaveAttribute('target', '_blank');

  const late = await guests.chromium(chen);
  await late.join(server.origin, 'talk');
  await openChat(late);
  await expect.poll(() => chatTexts(late)).toEqual(expected);
});

test('script in chat and names stays text', async ({ server, guests }) => {
  test.setTimeout(180_000);
  const first = await guests.chromium(ada);
  const name = '<img src=x onerror="window.harmed=true">';
  const second = await guests.chromium({ ...bo, name });
  await first.join(server.origin, 'payloads');
  await second.join(server.origin, 'payloads');
  await first.expectTiles([ada.name, name]);
  for (const payload of PAYLOADS) await sendChat(second, payload);

  await openChat(first);
  await expect.poll(() => chatTexts(first)).toEqual(PAYLOADS);
  for (const { driver } of [first, second]) {
    expect(await driver.evaluate(() => 'harmed' in window, undefined)).toBe(false);
    expect(await driver.page.locator('img, iframe, script:not([src]), style:not([data-vite])').count()).toBe(
      0,
    );
    expect(await driver.page.locator('a[href^="javascript:" i]').count()).toBe(0);
  }
  // That no policy was violated is checked after every test.
});
