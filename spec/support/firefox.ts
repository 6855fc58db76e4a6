import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch, type Browser, type KeyInput, type Page } from 'puppeteer-core';
import { afterAll } from 'vitest';
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

/** The browser of the spec file: a start takes seconds. */
let shared: Promise<Browser> | undefined;
let profile: string | undefined;

afterAll(async () => {
  const browser = shared;
  shared = undefined;
  if (browser !== undefined) await endFirefox(await browser);
  if (profile !== undefined) await rm(profile, { recursive: true, force: true, maxRetries: 10 });
});

/** Firefox by WebDriver BiDi, with cookies and storage of its own; closed after the test. Self-signed certificates are accepted. */
export async function startFirefox(viewport = { width: 1280, height: 800 }): Promise<BrowserPages> {
  const context = await (await (shared ??= launchFirefox())).createBrowserContext();
  onCleanup(() => context.close());
  const newPage = async () => {
    const page = await context.newPage();
    await page.setViewport(viewport);
    return new FirefoxPage(page);
  };
  return { newPage };
}

async function launchFirefox(): Promise<Browser> {
  profile = await mkdtemp(join(tmpdir(), 'wstunnel-firefox-'));
  return launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    userDataDir: profile,
    extraPrefsFirefox: PREFERENCES,
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

class FirefoxPage implements BrowserPage {
  readonly keyboard: BrowserPage['keyboard'];
  readonly mouse: BrowserPage['mouse'];
  readonly #page: Page;

  constructor(page: Page) {
    page.setDefaultTimeout(DEADLINE);
    this.#page = page;
    const { keyboard } = page;
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

  async screenshot(options: { path: string }) {
    await this.#page.screenshot({ path: options.path });
  }

  close() {
    return this.#page.close();
  }
}
