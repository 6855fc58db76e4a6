import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { desktopOf } from '../../demo/spawned.js';
import { startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import { coloursOf, inkOf, isState, logIn, pointOf, startDemoFor } from '../support/demo.js';
import { describeWith } from '../support/programs.js';
import { processesWith } from '../support/spawned.js';
import { until } from '../support/wait.js';

/** All processes started for any login; programs typed into a terminal come and go. */
const started = () => processesWith('DEMO_LOGIN=');
const desktops = () => started().filter((pid) => /vnc/i.test(nameOf(pid)));

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return 'gone';
  }
}

describeWith(
  'chromium',
  'Xvnc',
  'xterm',
)('a desktop that is started for a login', () => {
  test('is a real desktop, and each login gets one', { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-keys-'));
    onCleanup(() => rm(folder, { recursive: true }));
    const recordings = await mkdtemp(join(tmpdir(), 'wstunnel-recordings-'));
    onCleanup(() => rm(recordings, { recursive: true }));
    const demo = await startDemoFor(desktopOf, { record: recordings });
    const page = await logIn(await startBrowser(), demo.url);
    await isState(page, 'connected');
    // The terminal is drawn once the shell runs.
    await until(async () => ((await coloursOf(page)).get(0xffffff) ?? 0) > 10_000);
    const before = await inkOf(page);

    const inside = await pointOf(page, 100, 100);
    await page.mouse.click(inside.x, inside.y);
    const proof = join(folder, 'proof');
    await page.keyboard.type(`seq 1000000 1000099 | tee ${proof}\n`);
    const written = () => readFile(proof, 'utf8').catch(() => '');
    await until(async () => (await written()).endsWith('1000099\n'));
    await until(async () => Math.abs((await inkOf(page)) - before) > 1000);

    const first = desktops();
    await page.reload();
    await isState(page, 'connected');
    expect(desktops()).toEqual(first);
    const other = await logIn(await startBrowser(), demo.url);
    await isState(other, 'connected');
    await until(() => desktops().length > first.length);

    await demo.close();
    expect(started()).toEqual([]);
    // Issue 19: each desktop has its recording, and the first has two, since its page was reloaded.
    await until(
      async () => (await readdir(recordings)).filter((name) => name.endsWith('.wsrec')).length === 3,
    );
  });
});
