import { writeFileSync } from 'node:fs';
import { test as base, expect, type TestInfo } from '@playwright/test';
import { ChromiumDriver, FirefoxDriver, type ChromiumOptions, type Driver } from './driver.ts';
import { Participant } from './participant.ts';
import type { Person } from './people.ts';
import { situation } from './probe.ts';
import { Server, type Reach } from './server.ts';

/** Brings people's browsers, and takes them away after the test. */
export class Guests {
  readonly #all: Participant[] = [];

  async chromium(person: Person, options?: ChromiumOptions): Promise<Participant<ChromiumDriver>> {
    return this.#add(new Participant(person, await ChromiumDriver.launch(person, options)));
  }

  async firefox(person: Person): Promise<Participant<FirefoxDriver>> {
    return this.#add(new Participant(person, await FirefoxDriver.launch(person)));
  }

  /** Browsers for everybody, started one after the other: together they would only wait for each other. */
  async chromiums(
    persons: readonly Person[],
    options?: ChromiumOptions,
  ): Promise<Participant<ChromiumDriver>[]> {
    const guests = [];
    for (const person of persons) guests.push(await this.chromium(person, options));
    return guests;
  }

  /** The faults that every test forbids. */
  async faults(): Promise<string[]> {
    const found: string[] = [];
    for (const guest of this.#all) {
      const { driver } = guest;
      if (driver instanceof ChromiumDriver)
        found.push(...driver.faults.map((fault) => `${guest.name}: ${fault}`));
      const violations = await guest.violations().catch(() => []);
      found.push(...violations.map((violation) => `${guest.name}: content security policy: ${violation}`));
    }
    return found;
  }

  /** What each page showed when a test failed. */
  async describe(info: TestInfo): Promise<void> {
    for (const guest of this.#all) {
      const state = await guest.driver
        .evaluate(situation, undefined)
        .catch((error: unknown) => String(error));
      writeFileSync(info.outputPath(`${guest.name}.json`), JSON.stringify(state, null, 1));
      if (guest.driver instanceof ChromiumDriver) {
        await guest.driver.page
          .screenshot({ path: info.outputPath(`${guest.name}.png`), timeout: 5_000 })
          .catch(() => undefined);
      }
    }
  }

  async close(): Promise<void> {
    for (const guest of this.#all) await guest.driver.close();
  }

  #add<D extends Driver>(guest: Participant<D>): Participant<D> {
    this.#all.push(guest);
    return guest;
  }
}

export const test = base.extend<{ reach: Reach; server: Server; guests: Guests }>({
  reach: ['loopback', { option: true }],
  server: async ({ reach }, use, info) => {
    const server = await Server.launch(reach);
    await use(server);
    if (info.status !== info.expectedStatus) writeFileSync(info.outputPath('server.log'), server.log);
    await server.remove();
  },
  // eslint-disable-next-line no-empty-pattern -- Playwright reads the parameter's form
  guests: async ({}, use, info) => {
    const guests = new Guests();
    await use(guests);
    if (info.status !== info.expectedStatus) await guests.describe(info);
    const faults = await guests.faults();
    await guests.close();
    expect(faults, 'uncaught errors, policy violations, other hosts').toEqual([]);
  },
});

export { expect };
