import type { CDPSession, Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { PHONE, type startBrowser } from '../support/browser.js';
import { connectRecorded, isState } from '../support/demo.js';
import { describeWith } from '../support/programs.js';
import { holds } from '../support/wait.js';

interface Point {
  readonly x: number;
  readonly y: number;
}

async function connect(...browser: Parameters<typeof startBrowser>) {
  const connected = await connectRecorded(...browser);
  return { ...connected, fingers: await connected.page.context().newCDPSession(connected.page) };
}

/** Moves several fingers at once, each from one place to another. */
async function move(fingers: CDPSession, from: Point[], to: Point[]): Promise<void> {
  const send = (type: 'touchStart' | 'touchMove' | 'touchEnd', touchPoints: (Point & { id: number })[]) =>
    fingers.send('Input.dispatchTouchEvent', { type, touchPoints });
  const at = (part: number) =>
    from.map(({ x, y }, id) => ({
      id,
      x: x + ((to[id]?.x ?? x) - x) * part,
      y: y + ((to[id]?.y ?? y) - y) * part,
    }));
  await send('touchStart', at(0));
  for (let step = 1; step <= 10; step++) await send('touchMove', at(step / 10));
  await send('touchEnd', []);
}

const widthOf = async (page: Page) => (await page.locator('#screen canvas').boundingBox())?.width ?? 0;
const scrolled = (page: Page) =>
  page.evaluate(() => {
    const { scrollLeft, scrollTop, scrollWidth, scrollHeight, clientWidth, clientHeight } =
      document.querySelector('#scroller') ?? document.body;
    return {
      left: scrollLeft,
      top: scrollTop,
      right: scrollWidth - clientWidth - scrollLeft,
      bottom: scrollHeight - clientHeight - scrollTop,
    };
  });

async function choose(page: Page, size: string): Promise<void> {
  await page.click('#settings');
  await page.check(`#settings-form [value="${size}"]`);
  await page.click('#settings-close');
}

describeWith('chromium')('issue 13, case 20: the view of the demo', () => {
  test(
    'at real size a finger moves the view to every corner and draws nothing',
    { timeout: 60_000 },
    async () => {
      const { page, recorder, fingers } = await connect(...PHONE);
      expect(await page.locator('#hand').isVisible()).toBe(false);
      await choose(page, 'real');
      await holds(async () => expect(await widthOf(page)).toBe(1024));
      expect(await page.getAttribute('#hand', 'aria-pressed')).toBe('true');
      for (let times = 0; times < 4; times++) await move(fingers, [{ x: 350, y: 500 }], [{ x: 50, y: 300 }]);
      await holds(async () => {
        const { left, right, bottom } = await scrolled(page);
        expect(left).toBeGreaterThan(500);
        expect([right, bottom]).toEqual([0, 0]);
      });
      expect(recorder.pointers.some(({ buttons }) => buttons !== 0)).toBe(false);
      // The corner of the page now shows the corner of the desktop.
      await page.touchscreen.tap(385, 400);
      await holds(() =>
        expect(recorder.pointers.findLast(({ buttons }) => buttons === 1)?.x).toBeGreaterThan(1010),
      );

      // With the hand put away, a finger draws.
      await page.tap('#hand');
      const before = await scrolled(page);
      await move(fingers, [{ x: 300, y: 500 }], [{ x: 100, y: 400 }]);
      await holds(() =>
        expect(recorder.pointers.filter(({ buttons }) => buttons === 1).length).toBeGreaterThan(3),
      );
      expect(await scrolled(page)).toEqual(before);
    },
  );

  test('two fingers zoom around the point between them and send no keys', { timeout: 60_000 }, async () => {
    const { page, recorder, fingers } = await connect(...PHONE);
    const fitted = await widthOf(page);
    expect(fitted).toBeCloseTo(390, 0);
    const [left, right] = [
      { x: 160, y: 420 },
      { x: 240, y: 420 },
    ];
    await move(
      fingers,
      [left, right],
      [
        { x: 40, y: 420 },
        { x: 360, y: 420 },
      ],
    );
    await holds(async () => expect(await widthOf(page)).toBeGreaterThan(2 * fitted));
    expect(await page.getAttribute('#hand', 'aria-pressed')).toBe('true');
    const { left: hiddenLeft, right: hiddenRight } = await scrolled(page);
    expect(hiddenLeft).toBeGreaterThan(100);
    expect(Math.abs(hiddenLeft - hiddenRight)).toBeLessThan(100);
    for (let times = 0; times < 2; times++)
      await move(
        fingers,
        [
          { x: 40, y: 420 },
          { x: 360, y: 420 },
        ],
        [left, right],
      );
    await holds(async () => expect(await widthOf(page)).toBeCloseTo(fitted, 0));
    expect(await page.locator('#hand').isVisible()).toBe(false);
    expect(recorder.keys).toEqual([]);
    expect(recorder.pointers.some(({ buttons }) => buttons !== 0)).toBe(false);
  });

  test(
    'issue 21, point 1: a long press is a right click, two fingers scroll, and a turned phone fits the desktop',
    { timeout: 60_000 },
    async () => {
      const { page, recorder, fingers } = await connect(...PHONE);
      const touch = (type: 'touchStart' | 'touchEnd', touchPoints: Point[]) =>
        fingers.send('Input.dispatchTouchEvent', { type, touchPoints });
      const pressed = (buttons: number) => recorder.pointers.some((event) => event.buttons === buttons);
      await touch('touchStart', [{ x: 200, y: 420 }]);
      await holds(() => expect(pressed(4)).toBe(true));
      await touch('touchEnd', []);
      expect(pressed(1)).toBe(false);

      const [left, right] = [150, 250];
      const at = (y: number) => [
        { x: left, y },
        { x: right, y },
      ];
      await move(fingers, at(480), at(360));
      // The wheel, down.
      await holds(() => expect(pressed(16)).toBe(true));
      expect(pressed(8)).toBe(false);
      expect(recorder.keys).toEqual([]);

      await page.setViewportSize({ width: 844, height: 390 });
      await holds(async () => {
        const box = await page.locator('#screen canvas').boundingBox();
        expect(box?.width).toBeGreaterThan(390);
        expect((box?.y ?? 0) + (box?.height ?? 0)).toBeLessThanOrEqual(390);
      });
    },
  );

  test(
    'issue 21, point 1: in full screen, the desktop gets the keys of the browser',
    { timeout: 60_000 },
    async () => {
      const { page } = await connect();
      await page.evaluate(() => {
        const keyboard = (navigator as unknown as { keyboard: Record<string, () => unknown> }).keyboard;
        for (const name of ['lock', 'unlock']) {
          const own = keyboard[name]?.bind(keyboard);
          keyboard[name] = () => {
            document.body.dataset.keys = name;
            return own?.();
          };
        }
      });
      await page.click('#fullscreen');
      await page.waitForSelector('body[data-keys="lock"]');
      await page.click('#fullscreen');
      await page.waitForSelector('body[data-keys="unlock"]');
      expect(await page.locator('#limits li').count()).toBe(0);
    },
  );

  test(
    'issue 21, point 1: no two controls of the toolbar overlap, also for a trainee',
    { timeout: 60_000 },
    async () => {
      const { page } = await connect();
      const overlaps = () => {
        const shown = [...document.querySelectorAll('.toolbar-side > :not(.toolbar-rule)')]
          .filter((element) => element.checkVisibility())
          .map((element) => ({ id: element.id, box: element.getBoundingClientRect() }))
          .filter(({ box }) => box.width > 0);
        return shown
          .filter(({ box }, at) => at > 0 && box.left < (shown[at - 1]?.box.right ?? 0) - 0.5)
          .map(({ id }) => id);
      };
      for (const isTrainee of [false, true]) {
        await page.evaluate((yes) => {
          document.body.toggleAttribute('data-view-only', yes);
          for (const id of ['hand', 'watching']) {
            const element = document.getElementById(id);
            if (element) element.hidden = id === 'watching' && !yes;
          }
          const words = document.querySelector('.pill-text');
          if (words) words.textContent = 'Disconnected';
        }, isTrainee);
        for (const width of [
          320, 340, 360, 380, 390, 412, 430, 441, 502, 521, 560, 641, 681, 721, 768, 981, 1181, 1361,
        ]) {
          await page.setViewportSize({ width, height: 700 });
          // The page hides the hand, because the desktop fits and cannot be moved.
          await page.evaluate(() => document.getElementById('hand')?.removeAttribute('hidden'));
          expect(await page.evaluate(overlaps), `${width} ${isTrainee}`).toEqual([]);
        }
      }
    },
  );

  test('the hand moves the view with a mouse or the arrow keys', { timeout: 60_000 }, async () => {
    const { page, recorder } = await connect({ width: 800, height: 500 });
    await page.click('#scale');
    await holds(async () => expect(await widthOf(page)).toBe(1024));
    expect(await page.getAttribute('#hand', 'aria-pressed')).toBe('false');
    await page.click('#hand');
    await page.mouse.move(600, 400);
    await page.mouse.down();
    await page.mouse.move(100, 100, { steps: 5 });
    await page.mouse.up();
    await holds(async () => expect(await scrolled(page)).toMatchObject({ right: 0, bottom: 0 }));
    expect(recorder.pointers.some(({ buttons }) => buttons !== 0)).toBe(false);
    await page.focus('#hand');
    for (let times = 0; times < 10; times++) await page.keyboard.press('ArrowLeft');
    for (let times = 0; times < 10; times++) await page.keyboard.press('ArrowUp');
    await holds(async () => expect(await scrolled(page)).toMatchObject({ left: 0, top: 0 }));
    await page.click('#scale');
    await holds(async () => expect(await widthOf(page)).toBeLessThan(800));
  });

  test(
    'quality, compression and view-only apply to the desktop and are remembered after a reload',
    { timeout: 60_000 },
    async () => {
      const { page, recorder } = await connect();
      await holds(() => expect(recorder.encodings).toEqual(expect.arrayContaining([-32 + 6, -256 + 2])));
      await page.click('#settings');
      await page.fill('#quality', '9');
      await page.fill('#compression', '0');
      const chosen = expect.arrayContaining([-32 + 9, -256]) as number[];
      await holds(() => expect(recorder.encodings).toEqual(chosen));
      await page.check('[name="viewOnly"]');
      recorder.encodings = [];
      await page.reload();
      await isState(page, 'connected');
      await holds(() => expect(recorder.encodings).toEqual(chosen));
      expect(await page.isDisabled('#keyboard')).toBe(true);
      await page.mouse.click(600, 400);
      await page.keyboard.type('x');
      await page.click('#settings');
      await page.uncheck('[name="viewOnly"]');
      await page.click('#settings-close');
      expect(recorder.keys).toEqual([]);
      await page.mouse.click(600, 400);
      await page.keyboard.type('y');
      await holds(() => expect(recorder.keys).toEqual(['+79', '-79']));
    },
  );

  test('every control is at least 44 pixels high and wide', { timeout: 60_000 }, async () => {
    const { page, demo } = await connect(...PHONE);
    const small = () =>
      page.evaluate(() =>
        [...document.querySelectorAll<HTMLElement>('button, a, input, textarea:not(#typing), select')]
          .map((element) => element.closest<HTMLElement>('label') ?? element)
          .filter((element) => element.checkVisibility())
          .filter((element) => element.offsetHeight < 44 || element.offsetWidth < 44)
          .map(({ id, textContent }) => id || textContent.trim()),
      );
    for (const toggle of ['#clipboard', '#settings', '#keyboard', '#keys-more-toggle', '#cad']) {
      await page.tap(toggle);
      expect(await small(), toggle).toEqual([]);
    }
    await page.tap('#cad-cancel');
    await page.tap('#settings-close');
    await choose(page, 'real');
    await page.tap('#user');
    expect(await small()).toEqual([]);
    expect(await page.locator('#hand').isVisible()).toBe(true);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    await page.goto(`${demo.url}/login?error=1`);
    expect(await small()).toEqual([]);
    await page.setViewportSize({ width: 320, height: 568 });
    await page.goto(demo.url);
    await isState(page, 'connected');
    await page.tap('#keyboard');
    expect(await small()).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
  });
});
