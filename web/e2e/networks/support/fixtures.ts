import { writeFileSync } from 'node:fs';
import { test as base, expect, type Browser } from '@playwright/test';
import { ChromiumDriver, FirefoxDriver, type Driver } from '../../support/driver.ts';
import * as paths from '../../support/paths.ts';
import { ada, bo, chen, type Person } from '../../support/people.ts';
import { situation } from '../../support/probe.ts';
import { Server } from '../../support/server.ts';
import { Guest } from './guest.ts';
import { Internet, type Home } from './internet.ts';
import { onHost } from './place.ts';

/** A person's home and the browser in it; both outlive a test, a window does not. */
interface Resident {
  readonly person: Person;
  readonly home: Home;
  readonly browser: Browser;
}

/** What is dear to start, once for all tests of a worker. */
interface World {
  internet: Internet;
  server: Server;
  residents: readonly Resident[];
}

/** Three people are the most that a case needs, and their browsers the most that two cores can draw. */
const PERSONS = [ada, bo, chen] as const;

/** The same inside and outside: the browser says the one, and is looked for at the other. */
const FIREFOX_PORT = 9222;

/** Brings people into meetings, each from a network of their own. */
export class Guests {
  readonly #present: Guest<Driver>[] = [];

  constructor(
    private readonly residents: readonly Resident[],
    private readonly server: Server,
  ) {}

  /** A fresh window of a person's browser, for one server; their home's network is as the test says. */
  async arrive(person: Person, server = this.server): Promise<Guest> {
    const { browser, home } = this.#resident(person);
    const driver = await ChromiumDriver.open(browser, person, {
      host: new URL(server.origin).hostname,
      viewport: { width: 640, height: 400 },
    });
    return this.#add(new Guest(person, driver, home));
  }

  /** A Firefox of its own in a person's home. */
  async arriveWithFirefox(person: Person): Promise<Guest<FirefoxDriver>> {
    const { home } = this.#resident(person);
    const driver = await FirefoxDriver.launch(person, {
      executable: home.machine.launcher(paths.firefox),
      // Firefox is told what to do over the network, through a port of its own machine.
      debuggingPort: await home.machine.tunnel(FIREFOX_PORT, FIREFOX_PORT),
    });
    return this.#add(new Guest(person, driver, home));
  }

  get present(): readonly Guest<Driver>[] {
    return this.#present;
  }

  #resident(person: Person): Resident {
    const resident = this.residents.find((each) => each.person === person);
    if (resident === undefined) throw new Error(`${person.name} has no home`);
    return resident;
  }

  #add<D extends Driver>(guest: Guest<D>): Guest<D> {
    this.#present.push(guest);
    return guest;
  }
}

export const test = base.extend<{ guests: Guests }, { world: World }>({
  world: [
    // eslint-disable-next-line no-empty-pattern -- Playwright reads the parameter's form
    async ({}, use) => {
      const internet = new Internet();
      const server = await Server.launchAt(await onHost(internet.host('server')));
      const residents = [];
      for (const person of PERSONS) {
        const home = internet.home();
        const browser = await ChromiumDriver.start(person, {
          executable: home.machine.launcher(paths.chromium),
          arguments: ['--ignore-certificate-errors'],
          // Pictures that fill a thin network.
          scene: 'grainy',
        });
        residents.push({ person, home, browser });
      }
      await use({ internet, server, residents });
      for (const { browser } of residents) await browser.close();
      await server.remove();
      internet.remove();
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  guests: async ({ world }, use, info) => {
    for (const { home } of world.residents) home.use('open');
    const guests = new Guests(world.residents, world.server);
    const logged = world.server.log.length;
    await use(guests);
    if (info.status !== info.expectedStatus) {
      writeFileSync(info.outputPath('server.log'), world.server.log.slice(logged));
      for (const guest of guests.present) {
        const state = await guest.driver.evaluate(situation, undefined).catch(String);
        writeFileSync(info.outputPath(`${guest.name}.json`), JSON.stringify(state, null, 1));
        if (!(guest.driver instanceof ChromiumDriver)) continue;
        await guest.driver.page
          .screenshot({ path: info.outputPath(`${guest.name}.png`), timeout: 5_000 })
          .catch(() => undefined);
      }
    }
    const faults = guests.present.flatMap(({ driver }) =>
      driver instanceof ChromiumDriver ? driver.faults : [],
    );
    for (const guest of guests.present) await guest.driver.close();
    expect(faults, 'uncaught errors, other hosts').toEqual([]);
  },
});

export { expect };
