import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { startBrowser } from '../support/browser.js';
import { files, startCommand } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { closedPort } from '../support/servers.js';
import { startPrefixProxy } from './prefix-proxy.js';
import { startRealDesktop } from './real-desktop.js';

/** Debian's noVNC, and a folder of another version. */
const FOLDERS = ['/usr/share/novnc', process.env.WSTUNNEL_SPEC_NOVNC ?? ''].filter((folder) => folder !== '');

/** Resolves when the desktop is drawn: the text of xterm has more than one colour. Nothing in the page is clicked. */
async function shows(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const canvas = document.querySelector('canvas');
    if (canvas?.width !== 800) return false;
    const { data = new Uint8ClampedArray() } = canvas.getContext('2d')?.getImageData(0, 0, 200, 100) ?? {};
    return new Set(new Uint32Array(data.buffer)).size > 1;
  });
  await page.waitForSelector('html.noVNC_connected');
}

describeWith(
  'chromium',
  'Xvfb',
  'xterm',
  'x11vnc',
  'Xvnc',
  ...FOLDERS.map((folder) => `${folder}/vnc.html`),
)('issue 18, point 3: noVNC with the settings of the command', () => {
  test.each(FOLDERS)(
    '%s: the page at / shows the desktop, behind a login',
    { timeout: 60_000 },
    async (web) => {
      const { port: vnc } = await startRealDesktop();
      const { secret } = await files({ secret: 'correct horse\n' });
      const { url } = await startCommand(['0', `:${vnc}`, '--web', web, '--auth', `ann:${secret}`]);
      expect((await fetch(`${url}defaults.json`)).status).toBe(401);
      const context = await startBrowser();
      await context.setHTTPCredentials({ username: 'ann', password: 'correct horse' });
      const page = await context.newPage();
      await page.goto(url);
      await shows(page);
    },
  );

  test.each(FOLDERS)('%s: a prefix of a proxy in front changes nothing', { timeout: 60_000 }, async (web) => {
    const { port: vnc } = await startRealDesktop();
    const { port } = await startCommand(['0', `:${vnc}`, '--web', web, '--url', '/vnc']);
    const proxy = await startPrefixProxy('/desks/one', port);
    const page = await (await startBrowser()).newPage();
    const sockets: string[] = [];
    page.on('websocket', (socket) => sockets.push(new URL(socket.url()).pathname));
    await page.goto(`http://127.0.0.1:${proxy}/desks/one/`);
    await shows(page);
    expect(sockets).toEqual(['/desks/one/vnc']);
  });

  test.each(FOLDERS)(
    '%s: with the printed link, only the WebSocket’s request has the token',
    { timeout: 60_000 },
    async (web) => {
      const { port: vnc } = await startRealDesktop();
      const { tokens } = await files({ tokens: `desk-secret: 127.0.0.1:${vnc}\n` });
      const { port, program } = await startCommand(['--listen', '0', '--web', web, '--tokens', tokens!]);
      const [, link = ''] = await program.prints(/^.*noVNC: (\S+)$/m);
      const proxy = await startPrefixProxy('/desks', port);
      const page = await (await startBrowser()).newPage();
      const seen: string[] = [];
      const sockets: string[] = [];
      page.on('request', (one) => seen.push(one.url().replace(/#.*/, ''), one.headers().referer ?? ''));
      page.on('websocket', (socket) => sockets.push(new URL(socket.url()).search));
      await page.goto(link.replace('TOKEN', 'desk-secret'));
      await shows(page);
      expect(sockets).toEqual(['?token=desk-secret']);
      const { hash } = new URL(link.replace('TOKEN', 'desk-secret'));
      // A new page, since a change of the fragment alone loads nothing.
      await page.goto('about:blank');
      await page.goto(`http://127.0.0.1:${proxy}/desks/${hash}`);
      await shows(page);
      expect(sockets).toEqual(['?token=desk-secret', '?token=desk-secret']);
      expect(seen.length).toBeGreaterThan(20);
      expect(seen.filter((text) => text.includes('desk-secret'))).toEqual([]);
    },
  );

  test.each(FOLDERS)(
    '%s: the page reconnects after a restart of the backend',
    { timeout: 60_000 },
    async (web) => {
      const vnc = await closedPort();
      const start = async () => {
        const own = ['-rfbport', String(vnc), '-localhost', '-SecurityTypes', 'None', '-geometry', '800x500'];
        const server = new Program('Xvnc', ['-displayfd', '3', ...own]);
        await server.prints(/^(\d+)\n/m);
        return server;
      };
      const first = await start();
      const args = [
        '0',
        `:${vnc}`,
        '--web',
        web,
        '--novnc',
        'reconnect_delay=6000',
        '--novnc',
        'view_only=true',
      ];
      const { url } = await startCommand(args);
      const page = await (await startBrowser()).newPage();
      await page.goto(url);
      await page.waitForSelector('html.noVNC_connected');
      first.process.kill('SIGKILL');
      await page.waitForSelector('html.noVNC_reconnecting');
      await start();
      await page.waitForSelector('html.noVNC_connected');
      const isViewOnly = () =>
        (document.getElementById('noVNC_setting_view_only') as HTMLInputElement).checked;
      expect(await page.evaluate(isViewOnly)).toBe(true);
    },
  );
});
