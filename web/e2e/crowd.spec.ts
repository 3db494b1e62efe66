/** A room of hundreds: the page knows how many there are, finds each of them, and goes on working. */
import { chatTexts, openChat, sendChat } from './support/chat.ts';
import { expect, test } from './support/fixtures.ts';
import { testId } from './support/participant.ts';
import { ada, bo } from './support/people.ts';

/** Members without media. A browser opens at most 255 WebSockets. */
const MEMBERS = 120;

declare global {
  interface Window {
    crowd?: WebSocket[];
  }
}

/** Members that speak the protocol and nothing else join, one after the other, from the server's own page. */
async function join([room, first, count]: readonly [string, number, number]): Promise<void> {
  for (let number = first; number < first + count; number += 1) {
    const socket = new WebSocket(`ws://${location.host}/api/v1/signal`);
    const body = {
      version: 1,
      room,
      name: `Guest ${number}`,
      key: `guest-${number}-${Math.random().toString(36).slice(2)}`,
      media: { microphone: false, camera: false, screen: false, screenAudio: false },
    };
    socket.onopen = () => socket.send(JSON.stringify({ id: 1, type: 'join', body }));
    await new Promise<void>((resolve, reject) => {
      socket.onmessage = ({ data }) => {
        const { type, reply } = JSON.parse(String(data)) as { type: string; reply?: { type: string } };
        if (type === 'reply' && reply?.type === 'joined') resolve();
        if (type === 'error') reject(new Error(String(data)));
      };
      socket.onclose = () => reject(new Error(`Guest ${number} was not let in`));
    });
    socket.onclose = null;
    (window.crowd ??= []).push(socket);
  }
}

/** The first of them go. */
function leave(count: number): void {
  for (const socket of window.crowd?.splice(0, count) ?? []) socket.close(1000);
}

test('a page in a room of hundreds counts, lists and finds everybody, and goes on working', async ({
  server,
  guests,
}) => {
  test.setTimeout(240_000);
  await server.createRoom('crowd', { topology: 'sfu', capacity: 500 });
  const [person, crowd] = [await guests.chromium(ada), await guests.chromium(bo)];
  await person.join(server.origin, 'crowd');
  const { page } = person.driver;
  const count = page.locator(testId('participant-count'));

  const others = crowd.driver.page;
  await others.goto(server.origin);
  const come = (first: number, howMany: number) => others.evaluate(join, ['crowd', first, howMany] as const);
  await come(1, MEMBERS);
  await expect(count).toHaveText(String(MEMBERS + 1));

  // The stage has a tile for some of them, and one for all others.
  await expect(page.locator(testId('page-next'))).toBeVisible();
  expect((await person.tiles()).length).toBeLessThanOrEqual(25);
  while (await page.locator(testId('page-next')).isEnabled()) await page.click(testId('page-next'));
  const more = page.locator(testId('more-people'));
  await expect(more).toHaveText('+71');

  // The list draws what is seen, and asks for the others as somebody scrolls.
  await more.click();
  const list = page.locator(testId('people-list'));
  const row = (name: string) => list.locator(testId('person'), { hasText: name });
  await expect(row('Ada')).toBeVisible();
  await expect
    .poll(
      async () => {
        await list.press('End');
        return await row(`Guest ${MEMBERS}`).count();
      },
      { timeout: 30_000 },
    )
    .toBe(1);
  await expect(row(`Guest ${MEMBERS}`)).toHaveAttribute('aria-posinset', String(MEMBERS + 1));
  expect(await list.locator(testId('person')).count()).toBeLessThan(60);

  // Whom the page was never told of is found by name.
  await page.fill(testId('people-search'), 'guest 11');
  await expect(row('Guest 110')).toBeVisible();
  await expect(list.locator(testId('person'))).toHaveCount(11);
  await page.fill(testId('people-search'), 'Nobody at all');
  await expect(list.locator(testId('person'))).toHaveCount(0);

  // While half of them go and come again, the page does what it is asked.
  await openChat(person);
  const churn = (async () => {
    await others.evaluate(leave, 60);
    await come(MEMBERS + 1, 40);
  })();
  await sendChat(person, 'Can you all hear me?');
  await expect.poll(() => chatTexts(person)).toEqual(['Can you all hear me?']);
  await page.click(testId('toggle-microphone'));
  await expect(page.locator(testId('toggle-microphone'))).toHaveAttribute('aria-pressed', 'false');
  await churn;
  await expect(count).toHaveText(String(MEMBERS + 1 - 60 + 40));
});
