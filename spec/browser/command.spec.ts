import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { startBrowser } from '../support/browser.js';
import { files, startCommand } from '../support/command.js';
import { NOVNC_EXAMPLE } from '../support/lighttpd.js';
import { describeWith } from '../support/programs.js';
import { startRealDesktop } from './real-desktop.js';
import { until } from '../support/wait.js';

/** Debian's package `novnc`. */
const NOVNC = '/usr/share/novnc';

/** Types into the xterm of the page's desktop until the shell of that xterm has written a file. */
async function typesInto(page: Page, folder: string): Promise<void> {
  const canvas = page.locator('canvas');
  await page.waitForFunction(() => (document.querySelector('canvas')?.width ?? 0) === 800);
  const box = (await canvas.boundingBox())!;
  await page.mouse.click(box.x + 100, box.y + 100);
  const proof = join(folder, `proof-${Date.now()}`);
  await page.keyboard.type(`seq 9 | tee ${proof}\n`);
  const written = () => readFile(proof, 'utf8').catch(() => '');
  await until(async () => (await written()).endsWith('9\n'));
}

describeWith(
  'chromium',
  'Xvfb',
  'xterm',
  'x11vnc',
  `${NOVNC}/vnc.html`,
)('Debian’s noVNC, served by the command', () => {
  test('the example of lighttpd’s documentation works unchanged', { timeout: 60_000 }, async () => {
    const { port: vnc } = await startRealDesktop();
    const { 'lighttpd.conf': conf, folder } = await files({
      'lighttpd.conf': NOVNC_EXAMPLE.replace('5900', String(vnc)),
    });
    // Without a port the command would listen on lighttpd's port 80.
    const { url, program } = await startCommand(['--config', conf!, '--listen', '127.0.0.1:0', '--log', '-']);
    const page = await (await startBrowser()).newPage();
    await page.goto(`${url}vnc.html?autoconnect=true`);
    await typesInto(page, folder!);
    expect(program.output).toContain('"url":"/websockify"');
  });

  test('websockify’s command line works, with a login for page and tunnel', { timeout: 60_000 }, async () => {
    const { port: vnc } = await startRealDesktop();
    const { secret, folder } = await files({ secret: 'correct horse\n' });
    const args = ['--web', NOVNC, '0', `localhost:${vnc}`, '--auth', `ann:${secret}`, '-v'];
    const { url, program } = await startCommand(args);
    const context = await startBrowser();
    // Sends the credentials as a user's login dialogue would.
    await context.setHTTPCredentials({ username: 'ann', password: 'correct horse' });
    const page = await context.newPage();
    await page.goto(`${url}?autoconnect=true`);
    await typesInto(page, folder!);
    await program.prints(/^open {4}ann@127\.0\.0\.1 \/websockify -> localhost:/m);
  });

  test('each token leads to its desktop', { timeout: 60_000 }, async () => {
    const { port: vnc } = await startRealDesktop();
    const { tokens, folder } = await files({ tokens: '' });
    await writeFile(tokens!, `desk-1: 127.0.0.1:${vnc}\n`);
    const { url, program } = await startCommand(['--listen', '0', '--web', NOVNC, '--tokens', tokens!]);
    const page = await (await startBrowser()).newPage();
    await page.goto(`${url}vnc.html?autoconnect=true&path=websockify%3Ftoken%3Ddesk-1`);
    await typesInto(page, folder!);
    const ended = once(program.process, 'exit');
    program.process.kill('SIGTERM');
    await page.waitForFunction(() => !document.documentElement.classList.contains('noVNC_connected'));
    expect((await ended)[0]).toBe(0);
  });
});
