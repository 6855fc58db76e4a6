import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { expect, test, vi } from 'vitest';
import { player } from '../../src/record/index.js';
import { startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import { ADMIN_PASSWORD, coloursOf, isState, logIn, startDemoFor } from '../support/demo.js';
import { describeWith, Program } from '../support/programs.js';
import { holds, until } from '../support/wait.js';
import { differences, pictureOf, pixelsOf, type Picture } from './pixels.js';
import { startRealDesktop, startXvnc } from './real-desktop.js';

vi.setConfig({ testTimeout: 90_000 });

const ADMIN = ['admin', ADMIN_PASSWORD] as const;

/** Lines in colours for three seconds; a field of magenta is the last. */
const DRAWING = `
  for round in 1 2 3; do
    for line in 1 2 3 4 5 6 7 8; do
      printf '\\033[3%dmround %d line %d\\033[0m\\n' $line $round $line; sleep 0.12
    done
  done
  printf '\\033[48;2;255;0;255m%60s\\033[0m\\n' ''; exec sleep 600`;
const MAGENTA = 0xff00ff;

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-recordings-'));
  onCleanup(() => rm(folder, { recursive: true }));
  return folder;
}

const draw = (display: string) =>
  new Program('xterm', ['-fa', 'Monospace', '-geometry', '70x24+0+0', '-e', 'sh', '-c', DRAWING], {
    DISPLAY: display,
  });

/** The picture after the last change. */
async function lastPicture(page: Page): Promise<Picture> {
  await until(async () => ((await coloursOf(page)).get(MAGENTA) ?? 0) > 500);
  let picture = await pictureOf(page);
  for (;;) {
    await sleep(300);
    const next = await pictureOf(page);
    if (differences(picture, next) === 0) return next;
    picture = next;
  }
}

const isPlayback = (page: Page, state: string, timeout = 20_000) =>
  page.waitForSelector(`body[data-playback="${state}"]`, { timeout });

const statusOf = (page: Page) => page.locator('#status').innerText();

async function recordDrawing(): Promise<{
  demo: Awaited<ReturnType<typeof startDemoFor>>;
  folder: string;
  last: Picture;
}> {
  const folder = await newFolder();
  const { port, display } = await startXvnc();
  const demo = await startDemoFor({ port }, { record: folder });
  const page = await logIn(await startBrowser(), demo.url);
  await isState(page, 'connected');
  expect(await page.locator('#recorded').innerText()).toContain('This session is recorded');
  draw(display);
  const last = await lastPicture(page);
  await page.close();
  await until(async () => (await readdir(folder)).every((name) => name.endsWith('.wsrec')));
  return { demo, folder, last };
}

describeWith(
  'chromium',
  'Xvfb',
  'xterm',
  'x11vnc',
)('issue 19: a recording of a desktop with a VNC password', () => {
  test('plays without a question for the password', async () => {
    const folder = await newFolder();
    const { port } = await startRealDesktop('sesame');
    const demo = await startDemoFor({ port }, { record: folder });
    const viewer = await logIn(await startBrowser(), demo.url);
    await viewer.waitForSelector('#credentials[open]');
    await viewer.fill('#vnc-password', 'sesame');
    await viewer.click('#credentials-send');
    await isState(viewer, 'connected');
    await until(async () => (await coloursOf(viewer)).size > 1);
    await viewer.close();
    await until(async () => (await readdir(folder)).every((name) => name.endsWith('.wsrec')));
    const [name = ''] = await readdir(folder);

    const page = await logIn(await startBrowser(), demo.url, ADMIN);
    await page.goto(`${demo.url}/recordings/${name.replace('.wsrec', '')}`);
    await isPlayback(page, 'playing');
    await page.keyboard.press('End');
    await isPlayback(page, 'ended');
    const picture = await pictureOf(page);
    expect([picture.width, picture.height]).toEqual([800, 500]);
    expect(new Set(picture.bytes).size).toBeGreaterThan(1);
    expect(await page.locator('#card').isVisible()).toBe(false);
  });
});

describeWith(
  'chromium',
  'Xvnc',
  'xterm',
)('issue 19: a recording of a real desktop', () => {
  test('ends with the picture of the live desktop when played, after a seek and at speed 8', async () => {
    const { demo, last } = await recordDrawing();
    const page = await logIn(await startBrowser(), demo.url, ADMIN);
    await page.goto(`${demo.url}/recordings/`);
    // The administrator's page has a recording of its own.
    const row = page.locator('#rows tr', { hasText: 'ada' });
    await holds(async () => expect(await row.count()).toBe(1));
    expect(await row.innerText()).toMatch(/127\.0\.0\.1[\s\S]*0:0[3-9][\s\S]*kB[\s\S]*Finished/);

    await row.locator('a').click();
    await isPlayback(page, 'playing');
    await isPlayback(page, 'ended');
    // No tolerance: noVNC draws the same bytes.
    expect(differences(await pictureOf(page), last)).toBe(0);
    expect(await statusOf(page)).toBe('The end.');

    // Back to the start, which is played without waiting.
    await page.keyboard.press('Home');
    await isPlayback(page, 'paused');
    await holds(async () => expect(differences(await pictureOf(page), last)).toBeGreaterThan(1000));
    await page.keyboard.press('End');
    await isPlayback(page, 'ended');
    expect(differences(await pictureOf(page), last)).toBe(0);

    await page.keyboard.press('Home');
    await isPlayback(page, 'paused');
    for (let times = 0; times < 3; times++) await page.keyboard.press('ArrowUp');
    expect(await page.locator('#speed input:checked').getAttribute('value')).toBe('8');
    await page.keyboard.press('Space');
    await isPlayback(page, 'ended', 5000);
    expect(differences(await pictureOf(page), last)).toBe(0);
  });

  test('pauses, resumes, and the page says what a seek has skipped', async () => {
    const { demo, last } = await recordDrawing();
    const page = await logIn(await startBrowser(), demo.url, ADMIN);
    await page.goto(`${demo.url}/recordings/`);
    await page.locator('#rows tr', { hasText: 'ada' }).locator('a').click();
    await isPlayback(page, 'playing');
    await until(async () => (await pictureOf(page)).width > 0);
    await page.keyboard.press('Space');
    await isPlayback(page, 'paused');
    const at = await page.locator('#line').inputValue();
    const still = await pictureOf(page);
    await sleep(700);
    expect(await page.locator('#line').inputValue()).toBe(at);
    expect(differences(await pictureOf(page), still)).toBe(0);

    await page.keyboard.press('ArrowRight');
    // On a busy machine the drawing takes more than five seconds.
    await holds(async () => expect(await statusOf(page)).toMatch(/^The end\.$|played without waiting\.$/));
    await page.keyboard.press('End');
    await isPlayback(page, 'ended');
    expect(differences(await pictureOf(page), last)).toBe(0);

    // Backwards: from the start, and the page says so.
    await page.locator('#line').fill('1500');
    await isPlayback(page, 'paused');
    await holds(async () =>
      expect(await statusOf(page)).toMatch(/^At 0:01\. Played from the start without waiting: \d+ k?B\.$/),
    );
    expect(differences(await pictureOf(page), last)).toBeGreaterThan(1000);
    await page.click('#toggle');
    await isPlayback(page, 'ended');
    expect(differences(await pictureOf(page), last)).toBe(0);
  });

  test('plays up to the cut or the damage, and the page says so', async () => {
    const { demo, folder, last } = await recordDrawing();
    const [name = ''] = await readdir(folder);
    const bytes = await readFile(join(folder, name));
    await writeFile(join(folder, 'cut.wsrec.part'), bytes.subarray(0, Math.floor(bytes.length * 0.6)));
    // Wrong bytes in place of the index, whose offset is at the end.
    const index = bytes.readUIntBE(bytes.length - 14, 6);
    await writeFile(
      join(folder, 'damaged.wsrec.part'),
      Buffer.concat([bytes.subarray(0, index), Buffer.alloc(100, 7)]),
    );
    const page = await logIn(await startBrowser(), demo.url, ADMIN);
    const toEnd = async (id: string) => {
      await page.goto(`${demo.url}/recordings/${id}`);
      await isPlayback(page, 'playing');
      await page.keyboard.press('End');
      await isPlayback(page, 'ended');
    };
    await toEnd('cut');
    expect(await statusOf(page)).toMatch(/^The end so far: this recording is not finished/);
    expect(differences(await pictureOf(page), last)).toBeGreaterThan(1000);
    await toEnd('damaged');
    expect(await statusOf(page)).toBe('The end. The rest of the file is damaged.');
    expect(differences(await pictureOf(page), last)).toBe(0);
  });

  test('plays in unmodified noVNC, with player() as the backend', async () => {
    const { folder, last } = await recordDrawing();
    const [name = ''] = await readdir(folder);
    const demo = await startDemoFor(player(join(folder, name), { speed: 2 }));
    const page = await logIn(await startBrowser(), demo.url);
    await isState(page, 'connected');
    // The canvas leaves the page when the recording ends, with its last picture.
    const canvas = await page.waitForSelector('#screen canvas');
    await isState(page, 'disconnected');
    expect(differences(await pixelsOf(canvas), last)).toBe(0);
  });
});
