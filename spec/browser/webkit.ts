import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Builder, By, Capabilities, Key, Origin, type WebDriver } from 'selenium-webdriver';
import { afterAll } from 'vitest';
import type { BrowserPage, BrowserPages } from '../support/browser-page.js';
import { onCleanup } from '../support/cleanup.js';
import { closedPort } from '../support/servers.js';
import { DEADLINE, until } from '../support/wait.js';
import { webKitFingers, type Fingers } from '../support/fingers.js';

/** One browser for the whole spec file, since its start takes seconds. */
let shared: Promise<WebDriver> | undefined;
/** Functions that undo the steps of the start, the last step first. */
const steps: (() => unknown)[] = [];

afterAll(async () => {
  shared = undefined;
  for (let step = steps.pop(); step; step = steps.pop()) await step();
});

/** WebKitGTK on a separate display, without cookies of earlier tests. Self-signed certificates are accepted. */
export async function startWebKit(): Promise<WebDriver> {
  const driver = await (shared ??= launchWebKit());
  onCleanup(async () => {
    // The cookies of the page's host on all ports.
    await driver.manage().deleteAllCookies();
    await driver.get('about:blank');
  });
  return driver;
}

/** WebKitGTK for a spec that runs in several browsers. It has one window. */
export async function startWebKitPages(): Promise<BrowserPages<WebKitPage>> {
  const driver = await startWebKit();
  return { newPage: () => Promise.resolve(new WebKitPage(driver)) };
}

async function launchWebKit(): Promise<WebDriver> {
  const home = await mkdtemp(join(tmpdir(), 'wstunnel-webkit-'));
  steps.push(() => rm(home, { recursive: true, force: true, maxRetries: 10 }));
  // Xvfb chooses a free display and writes its number to descriptor 3.
  const screen = run('Xvfb', ['-displayfd', '3', '-screen', '0', '1400x1000x24', '-nolisten', 'tcp']);
  const [number] = (await once(screen.stdio[3] as NodeJS.EventEmitter, 'data')) as [Buffer];
  const port = await closedPort();
  const env = { DISPLAY: `:${String(number).trim()}`, HOME: home, XDG_RUNTIME_DIR: home, GDK_BACKEND: 'x11' };
  run('WebKitWebDriver', [`--port=${port}`], env);
  const server = `http://127.0.0.1:${port}`;
  const isReady = async () => (await fetch(`${server}/status`)).ok;
  await until(() => isReady().catch(() => false));
  const wanted = new Capabilities();
  // The browser of Debian's WebKit driver.
  wanted.setBrowserName('MiniBrowser');
  wanted.setAcceptInsecureCerts(true);
  const driver = await new Builder().usingServer(server).withCapabilities(wanted).build();
  steps.push(() => driver.quit());
  await driver.manage().setTimeouts({ script: DEADLINE, pageLoad: DEADLINE });
  return driver;
}

function run(program: string, args: string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  steps.push(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return child;
}

const KEYS: Readonly<Record<string, string>> = { Enter: Key.ENTER, End: Key.END, Escape: Key.ESCAPE };
const keyOf = (name: string) => KEYS[name] ?? name;

class WebKitPage implements BrowserPage {
  readonly keyboard: BrowserPage['keyboard'];
  readonly mouse: BrowserPage['mouse'];
  readonly fingers: Fingers;

  constructor(private readonly driver: WebDriver) {
    this.fingers = webKitFingers(driver);
    const actions = () => driver.actions();
    this.keyboard = {
      type: (text) => actions().sendKeys(text.replaceAll('\n', Key.ENTER)).perform(),
      down: (key) => actions().keyDown(keyOf(key)).perform(),
      up: (key) => actions().keyUp(keyOf(key)).perform(),
      press: (key) => actions().sendKeys(keyOf(key)).perform(),
    };
    const at = (x: number, y: number) => ({ x: Math.round(x), y: Math.round(y), origin: Origin.VIEWPORT });
    this.mouse = {
      move: (x, y) => actions().move(at(x, y)).perform(),
      click: (x, y) => actions().move(at(x, y)).click().perform(),
    };
  }

  goto(url: string) {
    return this.driver.get(url);
  }

  async fill(selector: string, text: string) {
    const field = await this.driver.findElement(By.css(selector));
    await field.clear();
    await field.sendKeys(text);
  }

  async click(selector: string) {
    await this.waitForSelector(selector);
    await this.driver.findElement(By.css(selector)).click();
  }

  async waitForSelector(selector: string) {
    await this.waitForFunction((given: string) => document.querySelector(given) !== null, selector);
  }

  async waitForFunction<A>(script: (arg: A) => unknown, arg?: A) {
    // A script fails while the next page loads.
    await until(() => this.evaluate(script, arg).then(Boolean, () => false));
  }

  async evaluate<A, R>(script: (arg: A) => R | Promise<R>, arg?: A): Promise<R> {
    return this.driver.executeAsyncScript<R>(
      `const done = arguments[1]; Promise.resolve((${script.toString()})(arguments[0])).then(done);`,
      arg,
    );
  }

  addInitScript(): never {
    throw new Error('WebDriver has no scripts for all pages');
  }

  async bringToFront() {
    await this.driver.switchTo().window(await this.driver.getWindowHandle());
  }

  async screenshot({ path }: { path: string }) {
    await writeFile(path, Buffer.from(await this.driver.takeScreenshot(), 'base64'));
  }

  close() {
    return this.driver.close();
  }
}
