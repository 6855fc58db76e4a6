import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { PHONE, type startBrowser } from '../support/browser.js';
import { connectRecorded } from '../support/demo.js';
import { describeWith } from '../support/programs.js';
import { holds } from '../support/wait.js';

const press = (keysym: number) => [`+${keysym.toString(16)}`, `-${keysym.toString(16)}`];
const type = (text: string) => Array.from(text, (char) => press(char.charCodeAt(0))).flat();
const [CONTROL, ALT, SHIFT, SUPER, DELETE, ENTER, BACKSPACE] = [
  0xffe3, 0xffe9, 0xffe1, 0xffeb, 0xffff, 0xff0d, 0xff08,
];

async function connect(...browser: Parameters<typeof startBrowser>) {
  const connected = await connectRecorded(...browser);
  const { recorder } = connected;
  return { ...connected, sent: (keys: string[]) => holds(() => expect(recorder.keys).toEqual(keys)) };
}

const focused = (page: Page) =>
  page.evaluate(() => document.activeElement?.id || document.activeElement?.localName);

describeWith('chromium')('issue 13, case 20: keys of the demo', () => {
  test(
    'on a phone the keyboard button sends no key, and its keyboard types',
    { timeout: 30_000 },
    async () => {
      const { page, recorder, sent } = await connect(...PHONE);
      await page.tap('#keyboard');
      expect(await page.locator('#keys').isVisible()).toBe(true);
      expect(await focused(page)).toBe('typing');
      expect(recorder.keys).toEqual([]);
      // As an input method writes: text, without keys.
      await page.keyboard.insertText('Grüße');
      const greeting = [...type('Gr'), ...press(0xfc), ...press(0xdf), ...type('e')];
      await sent(greeting);
      // A correction replaces the end.
      await page.evaluate(() => {
        const field = document.querySelector<HTMLTextAreaElement>('#typing');
        if (!field) return;
        field.value = `${field.value.slice(0, -2)}\n€`;
        field.dispatchEvent(new InputEvent('input'));
      });
      const all = [...greeting, ...press(BACKSPACE), ...press(BACKSPACE), ...press(ENTER), ...press(0x20ac)];
      await sent(all);
      // A tap on the desktop leaves the phone's keyboard open.
      await page.touchscreen.tap(200, 400);
      await holds(() => expect(recorder.pointers.some(({ buttons }) => buttons === 1)).toBe(true));
      expect(await focused(page)).toBe('typing');
      await page.tap('#keyboard');
      expect(await page.locator('#keys').isVisible()).toBe(false);
      expect(recorder.keys).toEqual(all);
    },
  );

  test('each key of the bar is sent, and a modifier applies to one key', { timeout: 30_000 }, async () => {
    const { page, sent } = await connect(...PHONE);
    await page.tap('#keyboard');
    await page.tap('#keys-more-toggle');
    const plain: [string, number][] = [
      ...([
        ['Escape', 0xff1b],
        ['Tab', 0xff09],
        ['ArrowLeft', 0xff51],
        ['ArrowUp', 0xff52],
        ['ArrowRight', 0xff53],
        ['ArrowDown', 0xff54],
        ['F1', 0xffbe],
        ['F12', 0xffc9],
        ['Insert', 0xff63],
        ['Delete', DELETE],
        ['Home', 0xff50],
        ['End', 0xff57],
        ['PageUp', 0xff55],
        ['PageDown', 0xff56],
      ] as [string, number][]),
    ];
    for (const [code] of plain) await page.tap(`[data-code="${code}"]`);
    const keys = plain.flatMap(([, keysym]) => press(keysym));
    await sent(keys);
    for (const [code, keysym] of [
      ['ControlLeft', CONTROL],
      ['AltLeft', ALT],
      ['ShiftLeft', SHIFT],
      ['MetaLeft', SUPER],
    ] as const) {
      await page.tap(`[data-code="${code}"]`);
      expect(await page.getAttribute(`[data-code="${code}"]`, 'aria-pressed')).toBe('true');
      await page.keyboard.insertText('cd');
      keys.push(`+${keysym.toString(16)}`, ...type('c'), `-${keysym.toString(16)}`, ...type('d'));
      await sent(keys);
      expect(await page.getAttribute(`[data-code="${code}"]`, 'aria-pressed')).toBe('false');
    }
    expect(await focused(page)).toBe('typing');
  });

  test('Ctrl-Alt-Del is sent only after a confirmation', { timeout: 30_000 }, async () => {
    const { page, recorder, sent } = await connect();
    await page.click('#keyboard');
    await page.click('#cad');
    expect(await focused(page)).toBe('cad-cancel');
    await page.keyboard.press('Escape');
    await page.click('#cad');
    await page.click('#cad-cancel');
    expect(recorder.keys).toEqual([]);
    await page.click('#cad');
    await page.click('#cad-send');
    const hex = [CONTROL, ALT, DELETE].map((keysym) => keysym.toString(16));
    await sent([...hex.map((key) => `+${key}`), ...hex.toReversed().map((key) => `-${key}`)]);
  });

  test(
    'Ctrl-Alt-Shift-M moves the focus out of the desktop and back, Escape back as well',
    { timeout: 30_000 },
    async () => {
      const { page, recorder } = await connect();
      await page.evaluate(() => document.querySelector<HTMLElement>('#screen')?.focus());
      await holds(async () => expect(await focused(page)).toBe('canvas'));
      for (const back of ['Escape', 'Control+Alt+Shift+M']) {
        await page.keyboard.press('Control+Alt+Shift+M');
        expect(await focused(page)).toBe('clipboard');
        expect(await page.locator('#hint').isVisible()).toBe(true);
        await page.keyboard.press(back);
        expect(await focused(page)).toBe('canvas');
        expect(await page.locator('#hint').isVisible()).toBe(false);
      }
      // Every pressed key was released again, and the desktop received no M.
      await holds(() => {
        const down = recorder.keys.filter((key) => key.startsWith('+')).length;
        expect(recorder.keys.filter((key) => key.startsWith('-'))).toHaveLength(down);
      });
      expect(recorder.keys.some((key) => /^\+(4d|6d|ff1b)$/.test(key))).toBe(false);

      // By Tab, from the toolbar's last button. A panel's Escape closes the panel alone.
      await page.keyboard.press('Control+Alt+Shift+M');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Escape');
      expect(await focused(page)).toBe('clipboard');
      await page.focus('#user');
      await page.keyboard.press('Tab');
      expect(await focused(page)).toBe('canvas');
    },
  );
});
