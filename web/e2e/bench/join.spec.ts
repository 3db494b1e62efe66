/**
 * From the press of *join* to the first frame of somebody else on the screen: 30 joins into a meeting through the
 * server, with camera and microphone on. Prints median and 95th percentile, and appends them to
 * target/bench/results.jsonl. It judges nothing but that everybody was seen.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page, WebSocket } from '@playwright/test';
import type { ChromiumDriver } from '../support/driver.ts';
import { expect, test } from '../support/fixtures.ts';
import { testId, type Participant } from '../support/participant.ts';
import { targetDirectory } from '../support/paths.ts';
import { ada, bo } from '../support/people.ts';

const JOINS = Number(process.env.JOINS ?? 30);

/** What one join took. */
interface Join {
  /** Milliseconds from the press to the first frame of the other person. */
  firstFrameMs: number;
  /** What the page sent by signalling until then. Only the answer to the first, `join`, is waited for. */
  sent: readonly string[];
}

for (const codec of ['h264', 'vp8'] as const) {
  test(`joining a meeting with ${codec}`, async ({ server, guests }) => {
    await server.createRoom('bench', { codec, topology: 'sfu' });
    const inside = await guests.chromium(ada, { viewport: { width: 640, height: 400 } });
    const comer = await guests.chromium(bo, { viewport: { width: 640, height: 400 } });
    await inside.join(server.origin, 'bench');
    const joins: Join[] = [];
    // The first one also waits for the browser to start what it needs; it is not counted.
    for (let round = 0; round <= JOINS; round += 1) {
      const joined = await joinOnce(comer, server.origin);
      if (round > 0) joins.push(joined);
      await comer.leave();
      await inside.expectTiles([ada.name]);
    }
    report(codec, joins);
  });
}

async function joinOnce(guest: Participant<ChromiumDriver>, origin: string): Promise<Join> {
  const { page } = guest.driver;
  const traffic = watch(page);
  await page.goto(`${origin}/m/bench?${new URLSearchParams({ name: guest.name })}`);
  const button = page.locator(testId('join'));
  await expect(button).toBeEnabled();
  // Devices are open by then, as they are when somebody has looked at themselves.
  await page.waitForFunction(() => {
    const own = document.querySelector('video');
    return own !== null && own.videoWidth > 0;
  });
  const pressedAt = await button.evaluate((element) => {
    const now = performance.timeOrigin + performance.now();
    (element as HTMLElement).click();
    return now;
  });
  const key = `${ada.name}/camera`;
  await page.waitForFunction((frames) => window.conclaveProbe.frames[frames] !== undefined, key, {
    polling: 20,
  });
  const firstFrameAt = await page.evaluate((frames) => window.conclaveProbe.frames[frames]?.[0] ?? 0, key);
  return { firstFrameMs: firstFrameAt - pressedAt, sent: traffic.sentBetween(pressedAt, firstFrameAt) };
}

/** Notes what the page sends on its WebSocket. */
function watch(page: Page): { sentBetween(from: number, to: number): string[] } {
  const sent: { type: string; at: number }[] = [];
  const listen = (socket: WebSocket) =>
    socket.on('framesent', ({ payload }) => {
      const { type } = JSON.parse(payload.toString()) as { type: string };
      sent.push({ type, at: Date.now() });
    });
  page.on('websocket', listen);
  return {
    sentBetween: (from, to) => {
      page.off('websocket', listen);
      return sent.filter(({ at }) => at >= from && at <= to).map(({ type }) => type);
    },
  };
}

function report(codec: string, joins: readonly Join[]): void {
  const times = joins.map(({ firstFrameMs }) => firstFrameMs).sort((a, b) => a - b);
  const quantile = (share: number) =>
    Math.round(times[Math.min(times.length - 1, Math.ceil(share * times.length) - 1)] ?? 0);
  const figures = { median: quantile(0.5), p95: quantile(0.95) };
  const sent = new Set(joins.flatMap((joined) => joined.sent));
  console.log(
    `join to first frame, ${codec}, ${times.length} joins: median ${figures.median} ms, p95 ${figures.p95} ms, ` +
      `sent until then: ${[...sent].join(', ')}`,
  );
  const folder = join(targetDirectory, 'bench');
  mkdirSync(folder, { recursive: true });
  for (const [metric, value] of Object.entries(figures)) {
    const line = { bench: 'join', case: `chromium, ${codec}`, metric, value, unit: 'ms' };
    appendFileSync(join(folder, 'results.jsonl'), `${JSON.stringify(line)}\n`);
  }
}
