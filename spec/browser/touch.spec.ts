import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startDesktop } from '../../demo/desktop/index.js';
import type { BrowserPage, BrowserPages } from '../support/browser-page.js';
import { onCleanup } from '../support/cleanup.js';
import { ADMIN_PASSWORD, isState, logIn, pointOf, startDemoFor } from '../support/demo.js';
import { startFirefoxPhone, type FirefoxPage } from '../support/firefox.js';
import { describeWith } from '../support/programs.js';
import { startRecorder } from '../support/rfb-recorder.js';
import { holds } from '../support/wait.js';
import type { Fingers, Point } from '../support/fingers.js';
import { layoutFaults } from './phone-layout.js';
import { startWebKitPages } from './webkit.js';

type TouchPage = BrowserPage & { readonly fingers: Fingers };

/** Screenshots for people, if the variable names a folder. */
const { SCREENSHOTS } = process.env;

const SIZES = [
  [390, 844],
  [360, 740],
  [320, 568],
  // A window of 320 pixels with a classic scroll bar.
  [305, 568],
  [844, 390],
] as const;

/** Chromium: see demo-view.spec.ts. */
const CASES: readonly (readonly [string, string[], () => Promise<BrowserPages<TouchPage>>])[] = [
  ['Firefox', ['firefox-esr'], startFirefoxPhone],
  ['WebKit', ['WebKitWebDriver', 'Xvfb'], startWebKitPages],
];

const CANVAS = '#screen canvas';

const widthOf = (page: BrowserPage) =>
  page.evaluate(
    (canvas: string) => document.querySelector(canvas)?.getBoundingClientRect().width ?? 0,
    CANVAS,
  );

const scrolledOf = (page: BrowserPage) =>
  page.evaluate(() => document.querySelector('#scroller')?.scrollLeft ?? 0);

describe.each(CASES)('issue 21, point 1: the demo in %s', (_name, programs, start) => {
  describeWith(...programs)('under fingers', () => {
    test(
      'one finger draws, a long press is a right click, two fingers scroll or zoom',
      { timeout: 180_000 },
      async () => {
        const desktop = await startDesktop();
        onCleanup(() => desktop.close());
        const recorder = await startRecorder(desktop);
        const demo = await startDemoFor({ port: recorder.port });
        const page = await logIn(await start(), demo.url);
        await isState(page, 'connected');
        const { fingers } = page;
        const middle = await pointOf(page, 512, 384);
        const at = (x: number, y: number): Point => ({ x: middle.x + x, y: middle.y + y });
        /** The buttons of the pointer events since the last call, once `last` is among them and released. */
        const buttons = (last: number) =>
          holds(() => {
            const seen = recorder.pointers.map((event) => event.buttons);
            expect(seen).toContain(last);
            expect(seen.at(-1)).toBe(0);
            recorder.pointers.length = 0;
            return new Set(seen);
          });

        await fingers.swipe([at(-60, 0)], [at(60, 40)]);
        const drawn = await holds(() => {
          const events = recorder.pointers.filter((event) => event.buttons === 1);
          expect(events.length).toBeGreaterThan(3);
          return events;
        });
        expect((drawn.at(-1)?.x ?? 0) - (drawn[0]?.x ?? 0)).toBeGreaterThan(100);
        expect(await buttons(1)).toEqual(new Set([0, 1]));

        await fingers.down([at(0, 0)]);
        await holds(() => expect(recorder.pointers.at(-1)?.buttons).toBe(4));
        await fingers.up();
        expect(await buttons(4)).toEqual(new Set([0, 4]));

        // The wheel: button 5 is down, button 4 is up.
        await fingers.swipe([at(-50, 60), at(50, 60)], [at(-50, -60), at(50, -60)]);
        expect(await buttons(16)).toEqual(new Set([0, 16]));
        await fingers.swipe([at(-50, -60), at(50, -60)], [at(-50, 60), at(50, 60)]);
        expect(await buttons(8)).toEqual(new Set([0, 8]));

        const fitted = await widthOf(page);
        await fingers.swipe([at(-40, 0), at(40, 0)], [at(-100, 0), at(100, 0)]);
        await holds(async () => expect(await widthOf(page)).toBeGreaterThan(2 * fitted));
        expect(recorder.pointers.filter((event) => event.buttons !== 0)).toEqual([]);
        // On a phone, the hand is on as soon as a part of the desktop is hidden.
        const isPanning = () => document.querySelector('#hand')?.getAttribute('aria-pressed') === 'true';
        if (!(await page.evaluate(isPanning))) await page.click('#hand');
        recorder.pointers.length = 0;
        const before = await scrolledOf(page);
        await fingers.swipe([at(60, 0)], [at(-60, 0)]);
        await holds(async () => expect((await scrolledOf(page)) - before).toBeGreaterThan(50));
        expect(recorder.pointers.filter((event) => event.buttons !== 0)).toEqual([]);
        expect(recorder.keys).toEqual([]);
      },
    );
  });
});

describeWith('firefox-esr')('issue 21, point 1: a phone with Firefox', () => {
  test(
    'every page fits a phone: nothing is cut off, covered or too small to touch',
    { timeout: 180_000 },
    async () => {
      const desktop = await startDesktop();
      onCleanup(() => desktop.close());
      const record = await mkdtemp(join(tmpdir(), 'wstunnel-phones-'));
      onCleanup(() => rm(record, { recursive: true }));
      const demo = await startDemoFor({ port: desktop.port }, { record, terminal: {} });
      const check = async (page: FirefoxPage, what: string) => {
        for (const [width, height] of SIZES) {
          await page.resize(width, height);
          // A terminal follows the size of the window a moment later.
          await holds(async () => expect(await layoutFaults(page), `${what} ${width}`).toEqual([]));
          if (SCREENSHOTS !== undefined)
            await page.screenshot({ path: `${SCREENSHOTS}/Firefox-${what}-${width}.png` });
        }
        await page.resize(...SIZES[0]);
      };
      const browser = await startFirefoxPhone();
      const login = await browser.newPage();
      await login.goto(`${demo.url}/login?error=1`);
      await check(login, 'login');
      const page = await logIn(browser, demo.url, ['admin', ADMIN_PASSWORD]);
      await isState(page, 'connected');
      await check(page, 'desktop');
      await page.click('#keyboard');
      await page.click('#keys-more-toggle');
      await check(page, 'keys');
      await page.click('#keyboard');
      for (const panel of ['settings', 'clipboard', 'user']) {
        await page.click(`#${panel}`);
        await check(page, panel);
        await page.keyboard.press('Escape');
      }
      await page.goto(`${demo.url}/terminal/`);
      await isState(page, 'connected');
      await check(page, 'terminal');
      // The lists of the following pages have a row of an open desktop.
      const open = await browser.newPage();
      await open.goto(demo.url);
      await isState(open, 'connected');
      await page.bringToFront();
      await page.goto(`${demo.url}/admin/`);
      await page.waitForSelector('#rows tr');
      await check(page, 'admin');
      await page.click('#rows .button-end');
      await check(page, 'end');
      await page.goto(`${demo.url}/roles`);
      await page.waitForSelector('[data-name="ada"] button');
      await check(page, 'roles');
      await page.goto(`${demo.url}/recordings/`);
      await page.waitForSelector('#rows tr');
      await check(page, 'recordings');
      await page.click('#rows tr:last-child a');
      await page.waitForSelector('body[data-playback="ended"]');
      await check(page, 'playback');
      await page.goto(`${demo.url}/no-such-page`);
      await page.waitForSelector('.login-actions a');
      await check(page, 'missing');
    },
  );
});
