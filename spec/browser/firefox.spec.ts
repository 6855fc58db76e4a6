import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startDesktop } from '../../demo/desktop/index.js';
import type { BrowserPage } from '../support/browser-page.js';
import { onCleanup } from '../support/cleanup.js';
import { files, startCommand } from '../support/command.js';
import { coloursOf, isState, logIn, pointOf, startDemoFor } from '../support/demo.js';
import { startFirefox } from '../support/firefox.js';
import { describeWith } from '../support/programs.js';
import { startRecorder } from '../support/rfb-recorder.js';
import { holds, until } from '../support/wait.js';
import { startRealDesktop } from './real-desktop.js';

/** Debian's package `novnc`. */
const NOVNC = '/usr/share/novnc';

/** Keysyms. */
const KEYS = ['+61', '-61', '+31', '-31'];

/** Resolves when noVNC has drawn the text of the xterm: more than one colour. */
async function shows(page: BrowserPage): Promise<void> {
  await page.waitForSelector('html.noVNC_connected');
  await page.waitForFunction(() => {
    const canvas = document.querySelector('canvas');
    if (canvas?.width !== 800) return false;
    const { data = new Uint8ClampedArray() } = canvas.getContext('2d')?.getImageData(0, 0, 200, 100) ?? {};
    return new Set(new Uint32Array(data.buffer)).size > 1;
  });
}

describeWith('firefox-esr')('issue 20, point 1: the demo in Firefox', () => {
  test('a login shows the desktop, and keys and clicks reach it', { timeout: 90_000 }, async () => {
    const desktop = await startDesktop();
    onCleanup(() => desktop.close());
    const recorder = await startRecorder(desktop);
    const demo = await startDemoFor({ port: recorder.port });
    const page = await logIn(await startFirefox(), demo.url);
    await isState(page, 'connected');
    await until(async () => (await coloursOf(page)).size > 2);
    const { x, y } = await pointOf(page, 200, 150);
    await page.mouse.click(x, y);
    await holds(() => expect(recorder.pointers.map(({ buttons }) => buttons)).toContain(1));
    const clicked = recorder.pointers.find(({ buttons }) => buttons === 1);
    expect(Math.abs((clicked?.x ?? 0) - 200)).toBeLessThan(3);
    expect(Math.abs((clicked?.y ?? 0) - 150)).toBeLessThan(3);
    await page.keyboard.type('a1');
    await holds(() => expect(recorder.keys).toEqual(KEYS));
  });

  test('a logout ends the tunnel with a card', { timeout: 90_000 }, async () => {
    const desktop = await startDesktop();
    onCleanup(() => desktop.close());
    const demo = await startDemoFor({ port: desktop.port });
    const browser = await startFirefox();
    const first = await logIn(browser, demo.url);
    await isState(first, 'connected');
    const second = await browser.newPage();
    await second.goto(demo.url);
    await isState(second, 'connected');
    await second.click('#user');
    await second.click('#logout');
    await isState(first, 'disconnected');
    await until(() => demo.tunnel.stats().open === 0);
    const title = () => document.querySelector('#overlay-title')?.textContent;
    await holds(async () => expect(await first.evaluate(title)).toBe('You have been logged out'));
  });
});

describeWith(
  'firefox-esr',
  'Xvfb',
  'xterm',
  'x11vnc',
  `${NOVNC}/vnc.html`,
)('issue 20, point 1: the command with noVNC in Firefox', () => {
  test('behind a login, what is typed reaches the xterm', { timeout: 90_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-keys-'));
    onCleanup(() => rm(folder, { recursive: true }));
    const { port: vnc } = await startRealDesktop();
    const { secret } = await files({ secret: 'right\n' });
    const { url } = await startCommand(['0', `:${vnc}`, '--web', NOVNC, '--auth', `ann:${secret}`]);
    expect((await fetch(`${url}defaults.json`)).status).toBe(401);
    const page = await (await startFirefox()).newPage();
    await page.goto(url.replace('://', '://ann:right@'));
    await shows(page);
    // noVNC takes the keyboard with a click on the desktop.
    const at = await page.evaluate(() => {
      const { left, top } = document.querySelector('canvas')?.getBoundingClientRect() ?? { left: 0, top: 0 };
      return { x: left + 100, y: top + 100 };
    });
    await page.mouse.click(at.x, at.y);
    const proof = join(folder, 'proof');
    await page.keyboard.type(`echo Typed > ${proof}\n`);
    await until(async () => (await readFile(proof, 'utf8').catch(() => '')) === 'Typed\n');
  });
});
