import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch, type Browser, type KeyInput, type Page } from 'puppeteer-core';
import { afterAll } from 'vitest';
import { firefoxFingers, type Fingers } from './fingers.js';
import type { BrowserPage, BrowserPages } from './browser-page.js';
import { onCleanup } from './cleanup.js';
import { DEADLINE, until } from './wait.js';

/** The path of Firefox, or the value of the variable `FIREFOX`. */
const FIREFOX =
  process.env.FIREFOX ??
  ['/usr/bin/firefox-esr', '/usr/bin/firefox'].find((path) => existsSync(path)) ??
  'firefox-esr';

/** Milliseconds after which Firefox is killed if the browser does not close. */
const CLOSING = 10_000;

/** Firefox must not look for updates, start pages or other servers. The proxy is for public addresses only. */
const PREFERENCES = {
  'network.proxy.type': 0,
  'network.dns.disablePrefetch': true,
  'browser.contentblocking.category': 'standard',
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.ipc.processCount': 1,
  'dom.ipc.processPrelaunch.enabled': false,
};

/** A phone: touch events, a finger as the only pointer, and scroll bars over the page. */
const PHONE = {
  'dom.w3c_touch_events.enabled': 1,
  'ui.primaryPointerCapabilities': 1,
  'ui.allPointerCapabilities': 1,
  'ui.useOverlayScrollbars': 1,
};

/** The browsers of the spec file: a start takes seconds. */
const shared = new Map<object, Promise<Browser>>();
const profiles: string[] = [];

afterAll(async () => {
  const browsers = [...shared.values()];
  shared.clear();
  for (const browser of browsers) await endFirefox(await browser);
  for (const profile of profiles.splice(0))
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
});

/** Firefox by WebDriver BiDi, with cookies and storage of its own; closed after the test. Self-signed certificates are accepted. */
export function startFirefox(viewport = { width: 1280, height: 800 }): Promise<BrowserPages<FirefoxPage>> {
  return startWith(PREFERENCES, viewport);
}

/** The same on a phone. */
export function startFirefoxPhone(
  viewport = { width: 390, height: 844 },
): Promise<BrowserPages<FirefoxPage>> {
  return startWith(PHONE, viewport);
}

async function startWith(
  preferences: typeof PREFERENCES | typeof PHONE,
  viewport: { width: number; height: number },
): Promise<BrowserPages<FirefoxPage>> {
  let browser = shared.get(preferences);
  if (browser === undefined)
    shared.set(preferences, (browser = launchFirefox({ ...PREFERENCES, ...preferences })));
  const context = await (await browser).createBrowserContext();
  onCleanup(() => context.close());
  const newPage = async () => {
    const page = await context.newPage();
    await page.setViewport(viewport);
    return new FirefoxPage(page);
  };
  return { newPage };
}

async function launchFirefox(preferences: typeof PREFERENCES): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'wstunnel-firefox-'));
  profiles.push(profile);
  return launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    userDataDir: profile,
    extraPrefsFirefox: preferences,
    acceptInsecureCerts: true,
    defaultViewport: null,
    timeout: DEADLINE,
  });
}

async function endFirefox(browser: Browser): Promise<void> {
  const child = browser.process();
  const kill = setTimeout(() => child?.kill('SIGKILL'), CLOSING);
  await browser.close().catch(() => undefined);
  if (child?.exitCode === null && child.signalCode === null) await once(child, 'exit');
  clearTimeout(kill);
}

export class FirefoxPage implements BrowserPage {
  readonly keyboard: BrowserPage['keyboard'];
  readonly mouse: BrowserPage['mouse'];
  readonly fingers: Fingers;
  readonly #page: Page;

  constructor(page: Page) {
    page.setDefaultTimeout(DEADLINE);
    this.#page = page;
    const { keyboard } = page;
    this.fingers = firefoxFingers(page);
    this.mouse = page.mouse;
    this.keyboard = {
      type: (text) => keyboard.type(text),
      down: (key) => keyboard.down(key as KeyInput),
      up: (key) => keyboard.up(key as KeyInput),
      press: (key) => keyboard.press(key as KeyInput),
    };
  }

  goto(url: string) {
    return this.#page.goto(url);
  }

  async fill(selector: string, text: string) {
    await this.#page.locator(selector).fill(text);
  }

  async click(selector: string) {
    await this.#page.locator(selector).click();
  }

  async waitForSelector(selector: string) {
    await this.#page.waitForSelector(selector);
  }

  evaluate<A, R>(script: (arg: A) => R | Promise<R>, arg?: A) {
    return this.#page.evaluate(script as (arg: unknown) => R | Promise<R>, arg);
  }

  async waitForFunction<A>(script: (arg: A) => unknown, arg?: A) {
    await until(async () => Boolean(await this.evaluate(script, arg)));
  }

  async addInitScript(script: () => void) {
    await this.#page.evaluateOnNewDocument(script);
  }

  bringToFront() {
    return this.#page.bringToFront();
  }

  /** All cookies of the context. */
  cookies() {
    return this.#page.browserContext().cookies();
  }

  async clearCookies() {
    const context = this.#page.browserContext();
    await context.deleteCookie(...(await context.cookies()));
  }

  resize(width: number, height: number) {
    return this.#page.setViewport({ width, height });
  }

  async screenshot(options: { path: string }) {
    await this.#page.screenshot({ path: options.path });
  }

  close() {
    return this.#page.close();
  }
}
