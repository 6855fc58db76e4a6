import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startDesktop } from '../../demo/desktop/index.js';
import { startBrowser } from '../support/browser.js';
import type { BrowserPage, BrowserPages } from '../support/browser-page.js';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { ADMIN_PASSWORD, coloursOf, isState, logIn, pointOf, startDemoFor } from '../support/demo.js';
import { startFirefox } from '../support/firefox.js';
import { describeWith } from '../support/programs.js';
import { startRecorder } from '../support/rfb-recorder.js';
import { holds, until } from '../support/wait.js';
import { startWebKitPages } from './webkit.js';

/** The folder for screenshots, if set. */
const { SCREENSHOTS } = process.env;

/** Each browser, its programs, and the protocols of its connections for the page and the WebSocket. */
const CASES: readonly (readonly [string, string[], () => Promise<BrowserPages>, string[]])[] = [
  ['Chromium', ['chromium'], () => startBrowser(), ['h2']],
  ['Firefox', ['firefox-esr'], () => startFirefox(), ['h2']],
  ['WebKit', ['WebKitWebDriver', 'Xvfb'], startWebKitPages, ['h2', 'http/1.1']],
];

/** The demo over https, with all its pages. */
async function startSecureDemo() {
  const desktop = await startDesktop();
  onCleanup(() => desktop.close());
  const recorder = await startRecorder(desktop);
  const record = await mkdtemp(join(tmpdir(), 'wstunnel-everywhere-'));
  onCleanup(() => rm(record, { recursive: true }));
  const options = { tls: certificate(), record, terminal: {} };
  const demo = await startDemoFor({ port: recorder.port }, options);
  const protocols: unknown[] = [];
  demo.server.on('secureConnection', ({ alpnProtocol }: TLSSocket) => protocols.push(alpnProtocol));
  return { demo, recorder, protocols, url: `https://127.0.0.1:${demo.port}` };
}

/** Opens a desktop of ada without a browser. `closed` resolves to the close code. */
async function openDesktop(url: string): Promise<{ closed: Promise<unknown> }> {
  const login = request(`${url}/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    rejectUnauthorized: false,
  });
  login.end('username=ada&password=correct+horse');
  const [answer] = (await once(login, 'response')) as [{ headers: { 'set-cookie'?: string[] } }];
  const Cookie = answer.headers['set-cookie']?.[0] ?? '';
  expect(Cookie).toMatch(/; HttpOnly; Secure; SameSite=Lax$/);
  const socket = new WebSocket(`${url.replace('https', 'wss')}/vnc/websockify`, {
    headers: { Cookie },
    rejectUnauthorized: false,
  });
  onCleanup(() => socket.terminate());
  await once(socket, 'open');
  return { closed: once(socket, 'close').then(([code]: unknown[]) => code) };
}

/** The text of the terminal. */
function shownText(): string {
  interface Shown {
    readonly length: number;
    getLine(at: number): { translateToString(trim: boolean): string } | undefined;
  }
  const { active } = (window as unknown as { demo: { terminal: { buffer: { active: Shown } } } }).demo
    .terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, at) => active.getLine(at));
  return lines.map((line) => line?.translateToString(true) ?? '').join('\n');
}

async function shoot(page: BrowserPage, name: string): Promise<void> {
  if (SCREENSHOTS !== undefined) await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
}

describe.each(CASES)('issue 21, point 1: %s over https', (name, programs, start, expected) => {
  describeWith(...programs, 'openssl')('and HTTP/2', () => {
    test('shows the desktop, the terminal, the admin page, a recording and the roles', async () => {
      const { demo, recorder, protocols, url } = await startSecureDemo();
      const page = await logIn(await start(), url, ['admin', ADMIN_PASSWORD]);
      await isState(page, 'connected');
      await until(async () => (await coloursOf(page)).size > 2);
      const { x, y } = await pointOf(page, 200, 150);
      await page.mouse.click(x, y);
      await holds(() => expect(recorder.pointers.some(({ buttons }) => buttons === 1)).toBe(true));
      await page.keyboard.type('a1');
      await holds(() => expect(recorder.keys).toEqual(['+61', '-61', '+31', '-31']));
      expect([...new Set(protocols)].sort()).toEqual(expected);
      // Over https the page can use the clipboard.
      const limits = await page.evaluate(() => document.querySelector('#limits-list')?.textContent);
      expect(limits).not.toContain('Clipboard');
      await shoot(page, `${name}-desktop`);

      await page.goto(`${url}/terminal/`);
      await isState(page, 'connected');
      await page.keyboard.type('echo "six=""$((6*7))."\n');
      await until(async () => (await page.evaluate(shownText)).includes('six=42.'));
      await shoot(page, `${name}-terminal`);

      const { closed } = await openDesktop(url);
      await page.goto(`${url}/admin/`);
      await page.waitForSelector('#connection[data-state="live"]');
      await page.click('#rows .button-end');
      await page.click('#end-send');
      expect(await closed).toBe(1008);
      await page.waitForFunction(() => document.querySelectorAll('#rows tr:not(.gone)').length === 0);
      await shoot(page, `${name}-admin`);

      await page.goto(`${url}/recordings/`);
      // The recording of the page is the older one.
      await page.click('#rows tr:last-child a');
      await page.waitForSelector('body[data-playback="playing"]');
      await page.keyboard.press('End');
      await page.waitForSelector('body[data-playback="ended"]');
      await until(async () => (await coloursOf(page)).size > 2);
      await shoot(page, `${name}-playback`);

      await page.goto(`${url}/roles`);
      await page.click('[data-name="ada"] button:last-child');
      await page.waitForSelector('[data-name="ada"] button:last-child[aria-pressed="true"]');
      expect(demo.tunnel.stats().refused).toEqual({});
    }, 180_000);
  });
});
