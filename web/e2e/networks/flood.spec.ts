/** Thousands of connections that begin and never finish disturb neither a running call nor a new guest. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ada, bo, chen } from '../support/people.ts';
import { expect, test } from './support/fixtures.ts';
import type { Host } from './support/internet.ts';

const COUNT = 10_000;
/** The flood takes one of two cores for itself, while three browsers draw. */
const GAP_MS = 2_000;
const FLOOD = fileURLToPath(new URL('./support/flood.mjs', import.meta.url));

interface Result {
  opened: number;
  closedByServer: number;
  refused: number;
  upgrades: number;
  hellos: number;
  answers: number;
}

test('10,000 half-open connections and as many DTLS hellos leave a running call and a new guest alone', async ({
  world,
  guests,
}) => {
  test.setTimeout(120_000);
  const { server } = world;
  const [first, second, third] = [
    await guests.arrive(ada),
    await guests.arrive(bo),
    await guests.arrive(chen),
  ];
  await first.join(server.origin, 'flooded', { topology: 'sfu' });
  await second.join(server.origin, 'flooded');
  for (const guest of [first, second]) await guest.expectToSee([ada, bo]);

  const begin = Date.now();
  const droppedBefore = await server.metric('conclave_media_dropped_total');
  const flood = new Flood(world.internet.host('stranger'), new URL(server.origin).hostname);
  // In the midst of it, somebody new comes.
  const firstFrameMs = await third.joinAndSee(server.origin, 'flooded', ada);
  await flood.sent();
  for (const guest of [first, second, third]) await guest.expectToSee([ada, bo, chen]);
  const gaps = [];
  for (const guest of [first, second]) {
    const frames = await guest.framesSince(begin);
    for (const person of [ada, bo]) gaps.push(frames.get(`${person.name}/camera`)?.longestGapMs ?? Infinity);
  }
  const result = await flood.end();
  const dropped = (await server.metric('conclave_media_dropped_total')) - droppedBefore;

  console.log(`    ${JSON.stringify({ ...result, dropped, gaps, firstFrameMs })}`);
  expect(result.opened).toBeGreaterThan(0.9 * COUNT);
  expect(result.upgrades, 'those that got through TLS').toBeGreaterThan(0);
  expect(result.answers, 'no hello of a stranger is answered').toBe(0);
  expect(dropped, 'they are counted').toBeGreaterThan(0.9 * COUNT);
  expect(Math.max(...gaps), 'the longest that a picture stood still').toBeLessThan(GAP_MS);
});

/** A machine that floods a server until it is told to end. */
class Flood {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor({ machine }: Host, target: string) {
    // Each connection takes a descriptor; the usual limit is a tenth of what is needed.
    const limited = [
      '-c',
      'ulimit -n 20000 && exec "$0" "$@"',
      process.execPath,
      FLOOD,
      target,
      String(COUNT),
    ];
    this.#process = machine.spawn('sh', limited);
    if (this.#process.stdout === null) throw new Error('spawned with a pipe');
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** All has been sent; the connections are held. */
  async sent(): Promise<void> {
    expect(await this.#line()).toBe('sent');
  }

  async end(): Promise<Result> {
    this.#process.stdin?.end();
    return JSON.parse(await this.#line()) as Result;
  }

  async #line(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`the flood ended with ${this.#process.exitCode}`);
    return line.value;
  }
}
