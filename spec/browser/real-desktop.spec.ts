import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import { coloursOf, inkOf, isState, logIn, pointOf, startDemoFor } from '../support/demo.js';
import { describeWith } from '../support/programs.js';
import { startRealDesktop } from '../support/real-desktop.js';
import { until } from '../support/wait.js';

describeWith(
  'chromium',
  'Xvfb',
  'xterm',
  'x11vnc',
)('a real desktop in a browser', () => {
  test(
    'keys typed in the browser arrive in the xterm, and its picture comes back',
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
});
