/** Networks fail, servers restart, pages are reloaded, laptops lose power: the meeting goes on. */
import { expect, test } from './support/fixtures.ts';
import { killableChromium } from './support/driver.ts';
import { ada, bo, chen } from './support/people.ts';
import { Proxy } from './support/proxy.ts';
import { sendChat, chatTexts, openChat } from './support/chat.ts';

test('signalling that is cut for 3 s resumes: same participant, nothing missed, pictures go on', async ({
  server,
  guests,
}) => {
  test.setTimeout(180_000);
  const proxy = await Proxy.to(server.port);
  try {
    const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
    await first.join(proxy.origin, 'cut');
    await second.join(server.origin, 'cut');
    for (const guest of [first, second]) await guest.expectToSee([ada, bo]);
    const before = await second.driver.page.getAttribute(
      '[data-testid=tile][data-name=Ada]',
      'data-participant',
    );

    const cut = Date.now();
    proxy.cut();
    await sendChat(second, 'while you were away');
    await first.expectState('reconnecting', 10_000);
    await new Promise((done) => setTimeout(done, Math.max(0, cut + 3_000 - Date.now())));
    proxy.mend();
    await first.expectState('connected');

    await openChat(first);
    await expect.poll(() => chatTexts(first)).toEqual(['while you were away']);
    await sendChat(first, 'back again');
    await expect.poll(() => chatTexts(second)).toContain('back again');
    const after = await second.driver.page.getAttribute(
      '[data-testid=tile][data-name=Ada]',
      'data-participant',
    );
    expect(after, 'the same session').toBe(before);
    for (const guest of [first, second]) {
      const records = await guest.framesSince(cut);
      for (const person of [ada, bo]) {
        const gap = records.get(`${person.name}/camera`)?.longestGapMs;
        console.log(`signalling cut: longest gap of ${person.name}'s tile at ${guest.name}: ${gap} ms`);
        expect(gap, `${person.name}'s tile at ${guest.name}`).toBeLessThan(1_000);
      }
    }
  } finally {
    await proxy.close();
  }
});

test('signalling that is cut for 3 s in a call through the server leaves media untouched', async ({
  server,
  guests,
}) => {
  test.setTimeout(180_000);
  const proxy = await Proxy.to(server.port);
  try {
    await server.createRoom('cut-sfu', { topology: 'sfu' });
    const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
    await first.join(proxy.origin, 'cut-sfu');
    await second.join(server.origin, 'cut-sfu');
    for (const guest of [first, second]) await guest.expectToSee([ada, bo]);

    const cut = Date.now();
    proxy.cut();
    await first.expectState('reconnecting', 10_000);
    await new Promise((done) => setTimeout(done, Math.max(0, cut + 3_000 - Date.now())));
    proxy.mend();
    await first.expectState('connected');
    for (const guest of [first, second]) {
      const records = await guest.framesSince(cut);
      for (const person of [ada, bo]) {
        expect(
          records.get(`${person.name}/camera`)?.longestGapMs,
          `${person.name}'s tile at ${guest.name}`,
        ).toBeLessThan(1_000);
      }
    }
  } finally {
    await proxy.close();
  }
});

for (const topology of ['auto', 'sfu'] as const) {
  test(`a server that restarts brings everybody back with the chat (${topology})`, async ({
    server,
    guests,
  }) => {
    test.setTimeout(180_000);
    await server.createRoom('restart', { topology });
    const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
    await first.join(server.origin, 'restart');
    await second.join(server.origin, 'restart');
    for (const guest of [first, second]) await guest.expectToSee([ada, bo]);
    await sendChat(first, 'before the restart');
    await expect.poll(() => server.log).not.toContain('before the restart');

    expect(await server.terminate(), 'a clean end').toBe(0);
    for (const guest of [first, second]) await guest.expectState('reconnecting');
    await server.start();
    for (const guest of [first, second]) {
      await guest.expectState('connected', 60_000);
      await guest.expectToSee([ada, bo]);
    }
    await openChat(second);
    await expect.poll(() => chatTexts(second)).toEqual(['before the restart']);
    await sendChat(second, 'after the restart');
    await expect.poll(() => chatTexts(first)).toContain('after the restart');
  });
}

test('a page that is reloaded comes back without a ghost', async ({ server, guests }) => {
  test.setTimeout(180_000);
  const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
  await first.join(server.origin, 'reload');
  await second.join(server.origin, 'reload');
  for (const guest of [first, second]) await guest.expectToSee([ada, bo]);

  await first.driver.reload();
  await first.expectState('connected');
  for (const guest of [first, second]) {
    await guest.expectToSee([ada, bo]);
    expect(await guest.tiles()).toHaveLength(2);
  }
});

test('a tab that is closed is gone within seconds', async ({ server, guests }) => {
  const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
  await first.join(server.origin, 'closed');
  await second.join(server.origin, 'closed');
  await first.expectToSee([ada, bo]);
  await second.driver.page.close();
  const closed = Date.now();
  await first.expectTiles(['Ada'], 'camera', 10_000);
  console.log(`tab closed: gone after ${Date.now() - closed} ms`);
});

test('a browser that dies without goodbye is dimmed, then gone', async ({ server, guests }) => {
  test.setTimeout(180_000);
  await server.createRoom('battery', { topology: 'sfu' });
  const [first, second] = [await guests.chromium(ada), await guests.chromium(chen)];
  await first.join(server.origin, 'battery');
  await second.join(server.origin, 'battery');
  const dying = await killableChromium(bo, `${server.origin}/m/battery?name=Bo&autojoin=1`);
  try {
    await first.expectToSee([ada, bo, chen]);
  } finally {
    await dying.kill();
  }
  const killed = Date.now();
  await first.expectTiles([ada.name, chen.name], 'camera', 30_000);
  console.log(`browser killed: gone after ${Date.now() - killed} ms`);
  await first.expectToSee([ada, chen]);
});
