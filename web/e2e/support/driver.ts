/** The part of a browser that the tests need, the same for Chromium (Playwright) and Firefox (WebDriver BiDi). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from '@playwright/test';
import puppeteer, { type Browser as FirefoxBrowser, type Page as FirefoxPage } from 'puppeteer-core';
import { fakeDevices, type Scene } from './fake-devices.ts';
import * as paths from './paths.ts';
import type { Person } from './people.ts';
import { installCamera, installProbe, installScreen, removeDevices } from './probe.ts';

export interface Driver {
  goto(url: string): Promise<void>;
  reload(): Promise<void>;
  evaluate<Argument, Result>(
    run: (argument: Argument) => Result | Promise<Result>,
    argument: Argument,
  ): Promise<Result>;
  click(selector: string): Promise<void>;
  close(): Promise<void>;
}

export type Devices = 'working' | 'absent' | 'refused';

export interface ChromiumOptions {
  devices?: Devices;
  scene?: Scene;
  /** Shares the browser's own made-up monitor instead of a screen in the person's colour. */
  monitor?: boolean;
  locale?: string;
  colorScheme?: 'light' | 'dark';
  viewport?: { width: number; height: number };
  /** A phone: touch, and a device pixel ratio of 2. */
  phone?: boolean;
  /** The host of the page, the only one that it may ask. */
  host?: string;
  /** Without the page's content security policy: the test starts workers in it. */
  unguarded?: boolean;
  /** More of the program's arguments. */
  arguments?: readonly string[];
}

/** How one person's browser is started: their devices, and from where. */
export interface ChromiumProcess {
  devices?: Devices;
  scene?: Scene;
  /** A program that takes Chromium's arguments. */
  executable?: string;
  arguments?: readonly string[];
}

export class ChromiumDriver implements Driver {
  /** Faults that a page must never have: uncaught errors, and requests to other hosts. */
  readonly faults: string[] = [];

  private constructor(
    readonly page: Page,
    private readonly host: string,
    private readonly end: () => Promise<void>,
  ) {}

  /** A browser of its own. */
  static async launch(person: Person, options: ChromiumOptions = {}): Promise<ChromiumDriver> {
    const browser = await ChromiumDriver.start(person, options);
    return ChromiumDriver.#open(browser, person, options, () => browser.close());
  }

  /** A window of a browser that goes on when it is closed; nothing is shared with its other windows. */
  static async open(
    browser: Browser,
    person: Person,
    options: ChromiumOptions = {},
  ): Promise<ChromiumDriver> {
    return ChromiumDriver.#open(browser, person, options, (page) => page.context().close());
  }

  static start(person: Person, options: ChromiumProcess = {}): Promise<Browser> {
    const devices = options.devices ?? 'working';
    const files = fakeDevices(person, options.scene);
    return chromium.launch({
      executablePath: options.executable ?? paths.chromium,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        // Windows that nobody sees are drawn all the same: each test looks into several.
        '--disable-backgrounding-occluded-windows',
        '--disable-renderer-backgrounding',
        '--disable-background-timer-throttling',
        // Two browsers of one machine find each other without its network.
        '--allow-loopback-in-peer-connection',
        '--disable-features=WebRtcHideLocalIpsWithMdns',
        ...(devices === 'refused' ? ['--deny-permission-prompts'] : ['--use-fake-ui-for-media-stream']),
        '--use-fake-device-for-media-stream',
        `--use-file-for-fake-video-capture=${files.camera}`,
        `--use-file-for-fake-audio-capture=${files.microphone}`,
        ...(options.arguments ?? []),
      ],
    });
  }

  static async #open(
    browser: Browser,
    person: Person,
    options: ChromiumOptions,
    end: (page: Page) => Promise<void>,
  ): Promise<ChromiumDriver> {
    const context = await browser.newContext({
      locale: options.locale ?? 'en-GB',
      colorScheme: options.colorScheme ?? 'light',
      viewport: options.viewport ?? { width: 960, height: 600 },
      hasTouch: options.phone ?? false,
      isMobile: options.phone ?? false,
      deviceScaleFactor: options.phone === true ? 2 : 1,
      // The program's own certificate is signed by nobody.
      ignoreHTTPSErrors: true,
      bypassCSP: options.unguarded ?? false,
    });
    await context.addInitScript(installProbe);
    if (options.monitor !== true) await context.addInitScript(installScreen, person.colour);
    if (options.devices === 'absent') await context.addInitScript(removeDevices);
    const page = await context.newPage();
    const driver = new ChromiumDriver(page, options.host ?? '127.0.0.1', () => end(page));
    driver.#watch(page);
    return driver;
  }

  /** A second window of the same person: same storage, same devices. */
  async secondPage(): Promise<Page> {
    const page = await this.page.context().newPage();
    this.#watch(page);
    return page;
  }

  async goto(url: string): Promise<void> {
    await this.page.goto(url);
  }

  async reload(): Promise<void> {
    await this.page.reload();
  }

  evaluate<Argument, Result>(
    run: (argument: Argument) => Result | Promise<Result>,
    argument: Argument,
  ): Promise<Result> {
    return this.page.evaluate(run as never, argument as never);
  }

  async click(selector: string): Promise<void> {
    await this.page.click(selector);
  }

  async close(): Promise<void> {
    await this.end();
  }

  #watch(page: Page): void {
    page.on('pageerror', (error) => this.faults.push(`uncaught: ${error.stack ?? error.message}`));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol) && url.hostname !== this.host) {
        this.faults.push(`another host was asked: ${url.origin}`);
      }
    });
  }
}

/**
 * A Chromium whose processes can be killed at once, as when a laptop's battery ends: no goodbye of any
 * kind is sent. Playwright's own launch cannot do that, it always ends a browser politely.
 */
export async function killableChromium(person: Person, url: string): Promise<{ kill(): Promise<void> }> {
  const profile = await mkdtemp(join(tmpdir(), 'conclave-e2e-profile-'));
  const files = fakeDevices(person);
  const child = spawn(
    paths.chromium,
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--allow-loopback-in-peer-connection',
      '--disable-features=WebRtcHideLocalIpsWithMdns',
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-video-capture=${files.camera}`,
      `--use-file-for-fake-audio-capture=${files.microphone}`,
      `--user-data-dir=${profile}`,
      url,
    ],
    // A process group of its own, to be killed as one.
    { stdio: 'ignore', detached: true },
  );
  return {
    async kill() {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      process.kill(-child.pid, 'SIGKILL');
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

export interface FirefoxOptions {
  /** A program that takes Firefox's arguments. */
  executable?: string;
  /** Where the browser listens for its debugger; any free port if absent. */
  debuggingPort?: number;
}

export class FirefoxDriver implements Driver {
  private constructor(
    private readonly page: FirefoxPage,
    private readonly browser: FirefoxBrowser,
  ) {}

  static async launch(person: Person, options: FirefoxOptions = {}): Promise<FirefoxDriver> {
    const browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: options.executable ?? paths.firefox,
      headless: true,
      // The program's own certificate is signed by nobody.
      acceptInsecureCerts: true,
      ...(options.debuggingPort === undefined ? {} : { debuggingPort: options.debuggingPort }),
      extraPrefsFirefox: {
        'media.navigator.streams.fake': true,
        'media.navigator.permission.disabled': true,
        'media.navigator.audio.fake_frequency': person.voiceHz,
        'media.autoplay.default': 0,
        // Two browsers of one machine find each other without its network.
        'media.peerconnection.ice.loopback': true,
        'media.peerconnection.ice.obfuscate_host_addresses': false,
      },
    });
    const page = await browser.newPage();
    await page.setViewport({ width: 960, height: 600 });
    await page.evaluateOnNewDocument(installProbe);
    await page.evaluateOnNewDocument(installCamera, person.colour);
    return new FirefoxDriver(page, browser);
  }

  async goto(url: string): Promise<void> {
    await this.page.goto(url);
  }

  async reload(): Promise<void> {
    await this.page.reload();
  }

  evaluate<Argument, Result>(
    run: (argument: Argument) => Result | Promise<Result>,
    argument: Argument,
  ): Promise<Result> {
    return this.page.evaluate(run as (argument: unknown) => Result, argument);
  }

  async click(selector: string): Promise<void> {
    await this.page.locator(selector).click();
  }

  async close(): Promise<void> {
    await this.browser.close();
  }
}
