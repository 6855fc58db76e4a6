import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import { coloursOf, inkOf, isState, logIn, pointOf, startDemoFor } from '../support/demo.js';
import { describeWith } from '../support/programs.js';
import { startRealDesktop, startXvnc } from './real-desktop.js';
import { holds, until } from '../support/wait.js';

describeWith(
  'chromium',
  'Xvfb',
  'xterm',
  'x11vnc',
)('a real desktop in a browser', () => {
  test(
    'keys typed in the browser reach the xterm, and its picture comes back',
    { timeout: 60_000 },
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'wstunnel-keys-'));
      onCleanup(() => rm(folder, { recursive: true }));
      const { port } = await startRealDesktop();
      const demo = await startDemoFor({ port });
      const context = await startBrowser();
      const page = await logIn(context, demo.url);
      await isState(page, 'connected');

      // xterm has drawn its white window on the black root.
      await until(async () => (await coloursOf(page)).size > 1);
      const before = await inkOf(page);

      const inside = await pointOf(page, 100, 100);
      await page.mouse.click(inside.x, inside.y);
      const proof = join(folder, 'proof');
      await page.keyboard.type(`seq 99 | tee ${proof}\n`);
      const written = () => readFile(proof, 'utf8').catch(() => '');
      await until(async () => (await written()).endsWith('99\n'));

      await until(async () => Math.abs((await inkOf(page)) - before) > 1000);
      const { bytesIn, bytesOut, open } = demo.tunnel.stats();
      expect(open).toBe(1);
      expect(bytesIn).toBeGreaterThan(100);
      expect(bytesOut).toBeGreaterThan(1000);
    },
  );

  test(
    'issue 13, case 20: the page asks for the VNC password that the desktop requires',
    { timeout: 60_000 },
    async () => {
      const { port } = await startRealDesktop('sesame');
      const demo = await startDemoFor({ port });
      const page = await logIn(await startBrowser(), demo.url);
      const answer = async (password: string) => {
        await page.waitForSelector('#credentials[open]');
        await page.fill('#vnc-password', password);
        await page.click('#credentials-send');
      };
      await answer('wrong');
      await isState(page, 'refused');
      await page.click('#overlay-action');
      await answer('sesame');
      await isState(page, 'connected');
      await page.click('#user');
      await holds(async () => expect(await page.locator('#menu-password').innerText()).toBe('Asked for'));
    },
  );
});

describeWith('chromium', 'Xvnc')('issue 13, case 20: a desktop that can be resized', () => {
  test('takes the size of the window, also after changes', { timeout: 60_000 }, async () => {
    const { port } = await startXvnc();
    const demo = await startDemoFor({ port });
    const page = await logIn(await startBrowser(), demo.url);
    await isState(page, 'connected');
    const sizes = () =>
      page.evaluate(() => {
        const { width, height } = document.querySelector<HTMLCanvasElement>('#screen canvas') ?? {};
        const { clientWidth, clientHeight } = document.querySelector('#scroller') ?? {};
        return { desktop: [width, height], window: [clientWidth, clientHeight] };
      });
    expect((await sizes()).desktop).toEqual([800, 500]);
    const follows = () =>
      holds(async () => {
        const { desktop, window } = await sizes();
        expect(desktop).toEqual(window);
      });
    await page.click('#settings');
    await page.check('#settings-form [value="remote"]');
    await follows();
    await page.setViewportSize({ width: 1000, height: 640 });
    await holds(async () => expect((await sizes()).window).toEqual([980, 568]));
    await follows();
    // At real size the desktop keeps the current size.
    await page.check('#settings-form [value="real"]');
    await page.setViewportSize({ width: 900, height: 600 });
    await holds(async () => expect((await sizes()).window[0]).toBeLessThan(900));
    expect((await sizes()).desktop).toEqual([980, 568]);
  });
});
