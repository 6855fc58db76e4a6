import type { Page } from 'playwright-core';
import { beforeEach, expect, test, vi } from 'vitest';
import { layout, startDesktop } from '../../demo/desktop/index.js';
import { PHONE, startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import {
  ADMIN_PASSWORD,
  cookieOf,
  inkOf,
  isState,
  logIn,
  startDemoFor,
  TRAINEE_PASSWORD,
} from '../support/demo.js';
import { describeWith } from '../support/programs.js';
import { startRecorder } from '../support/rfb-recorder.js';
import { holds, sleep, until } from '../support/wait.js';

vi.setConfig({ testTimeout: 90_000 });

const TRAINEE = ['trainee', TRAINEE_PASSWORD] as const;

async function startRecorded(more: Parameters<typeof startDemoFor>[1] = {}) {
  const desktop = await startDesktop();
  onCleanup(() => desktop.close());
  const recorder = await startRecorder(desktop);
  return { desktop, recorder, demo: await startDemoFor({ port: recorder.port }, more) };
}

/** A new browser with the desktop of an account. */
async function open(
  url: string,
  login?: readonly [string, string],
  ...browser: Parameters<typeof startBrowser>
) {
  const page = await logIn(await startBrowser(...browser), url, login);
  await isState(page, 'connected');
  return page;
}

async function changeRole(url: string, name: string, role: string): Promise<void> {
  const headers = { cookie: await cookieOf(url, ['admin', ADMIN_PASSWORD]) };
  const body = new URLSearchParams({ name, role });
  await fetch(`${url}/roles`, { method: 'POST', body, headers, redirect: 'manual' });
}

describeWith('chromium')('issue 20: the page of a trainee', () => {
  test.each<[string, Parameters<typeof startBrowser>]>([
    ['a desktop browser', []],
    ['a phone', [...PHONE]],
  ])('says "View only" in %s, and offers no keys and no clipboard', async (_name, device) => {
    const { demo, recorder } = await startRecorded();
    const page = await open(demo.url, TRAINEE, ...device);
    expect((await page.locator('#watching').innerText()).trim()).toBe('View only');
    expect(await page.isDisabled('#keyboard')).toBe(true);
    expect(await page.isDisabled('#clipboard')).toBe(true);
    await page.click('#settings');
    expect(await page.isChecked('[name="viewOnly"]')).toBe(true);
    expect(await page.isDisabled('[name="viewOnly"]')).toBe(true);
    await page.click('#settings-close');
    await page.locator('#screen canvas').click();
    await page.keyboard.type('x');
    expect(recorder.keys).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
  });

  test('that is tampered with changes nothing on the desktop', async () => {
    const { demo, desktop, recorder } = await startRecorded();
    const operator = await open(demo.url);
    const sockets: string[] = [];
    const page = await open(demo.url, TRAINEE);
    page.on('websocket', (socket) => sockets.push(socket.url()));
    const ink = await inkOf(operator, layout.terminal);
    await page.evaluate(() => {
      type Rfb = {
        viewOnly: boolean;
        sendKey: (keysym: number, code: string) => void;
        clipboardPasteFrom: (text: string) => void;
        _sock: { _websocket: WebSocket };
      };
      const { rfb } = (window as unknown as { demo: { rfb: Rfb } }).demo;
      rfb.viewOnly = false;
      rfb.sendKey(0x78, 'KeyX');
      rfb.clipboardPasteFrom('text of the trainee');
      // Raw messages: a key, a pointer, a key of QEMU, and a new size of the desktop.
      const { _websocket: socket } = rfb._sock;
      for (const down of [1, 0]) socket.send(new Uint8Array([4, down, 0, 0, 0, 0, 0, 0x79]));
      socket.send(new Uint8Array([5, 1, 2, 188, 1, 200]));
      socket.send(new Uint8Array([255, 0, 0, 1, 0, 0, 0, 0x79, 0, 0, 0, 0x15]));
      socket.send(new Uint8Array([251, 0, 1, 0, 1, 0, 0, 0]));
    });
    await page.locator('#screen canvas').click();
    await page.keyboard.type('z');
    // The page still watches, and what the operator types comes after what the trainee sent.
    await operator.locator('#screen canvas').click({ position: { x: 20, y: 5 } });
    await operator.keyboard.type('operator');
    await holds(() => expect(recorder.keys).toHaveLength(16));
    expect(recorder.keys.filter((key) => /(78|79|7a)$/.test(key))).toEqual([]);
    await holds(async () => expect(await inkOf(page, layout.terminal)).toBeGreaterThan(ink));
    await isState(page, 'connected');
    expect(desktop.viewers).toBe(2);
  });

  test('becomes the page of an operator, and back, when the role changes', async () => {
    const { demo, recorder } = await startRecorded();
    const page = await open(demo.url, TRAINEE);
    const titles: string[] = [];
    await page.exposeFunction('note', (title: string) => titles.push(title));
    await page.evaluate(() => {
      const title = document.querySelector('#overlay-title');
      const { note } = window as unknown as { note: (text: string) => void };
      if (title) new MutationObserver(() => note(title.textContent)).observe(title, { childList: true });
    });
    await changeRole(demo.url, 'trainee', 'operator');
    await page.waitForSelector('#watching', { state: 'hidden' });
    await isState(page, 'connected');
    expect(titles).toContain('Your role has changed');
    await until(() => page.isEnabled('#keyboard'));
    await page.locator('#screen canvas').click();
    await page.keyboard.type('y');
    await holds(() => expect(recorder.keys).toEqual(['+79', '-79']));
    await changeRole(demo.url, 'trainee', 'trainee');
    await page.waitForSelector('#watching');
    await isState(page, 'connected');
    expect(await page.isDisabled('#keyboard')).toBe(true);
  });

  test('the administrator changes a role on the page of the roles', async () => {
    const { demo } = await startRecorded();
    const page = await open(demo.url, ['admin', ADMIN_PASSWORD]);
    await page.click('#user');
    await page.click('text=Roles');
    await page.click('[data-name="ada"] >> text=Trainee');
    await page.waitForSelector('[data-name="ada"] [aria-pressed="true"]:has-text("Trainee")');
    const user = await open(demo.url);
    expect(await user.locator('#watching').isVisible()).toBe(true);
  });
});

describeWith('chromium')('issue 20: a page without input', () => {
  const isWarned = (page: Page) => page.locator('#idle').isVisible();

  test('warns at half of a short limit; a movement, a key and the button each dismiss the warning', async () => {
    const { demo } = await startRecorded({ inputIdle: 8 });
    const page = await open(demo.url);
    await page.locator('#screen canvas').click({ position: { x: 20, y: 5 } });
    for (const stay of [
      () => page.mouse.move(700, 26),
      () => page.keyboard.press('Shift'),
      // A real click comes after a movement.
      () => page.dispatchEvent('#idle-stay', 'click'),
    ]) {
      await until(() => isWarned(page));
      expect(await page.locator('#idle').innerText()).toMatch(/closes in 0:0[1-4]/);
      await stay();
      await until(async () => !(await isWarned(page)));
    }
    expect(demo.tunnel.stats()).toMatchObject({ open: 1, opened: 1 });
  });

  test('shows the right seconds after a sleep of the tab and a change of the computer’s time', async () => {
    const { demo } = await startRecorded({ inputIdle: 10 });
    const context = await startBrowser();
    await context.addInitScript(() => {
      const now = Date.now.bind(Date);
      Date.now = () => now() + Number(document.documentElement.dataset.ahead ?? 0);
    });
    const page = await logIn(context, demo.url);
    await isState(page, 'connected');
    const opened = performance.now();
    const lifecycle = await context.newCDPSession(page);
    const secondsShown = () =>
      page.evaluate(() => {
        const isShown = document.querySelector('#idle')?.checkVisibility() === true;
        return isShown ? Number(document.querySelector('#idle-left')?.textContent.slice(2)) : undefined;
      });
    const moveTime = (by: number) =>
      page.evaluate((given) => (document.documentElement.dataset.ahead = String(given)), by);
    await moveTime(36e5);
    await lifecycle.send('Page.setWebLifecycleState', { state: 'frozen' });
    await sleep(opened + 7000 - performance.now());
    await lifecycle.send('Page.setWebLifecycleState', { state: 'active' });
    const shown = await secondsShown();
    const asked = performance.now();
    expect(shown).toBeGreaterThan(0);
    await moveTime(-36e5);
    await until(async () => Number(await secondsShown()) < Number(shown));
    await isState(page, 'disconnected');
    expect(Math.abs((performance.now() - asked) / 1000 - Number(shown))).toBeLessThan(2.5);
  });

  test('gets a card, and "Continue" opens the desktop again', async () => {
    const { demo } = await startRecorded({ inputIdle: 3 });
    const page = await open(demo.url);
    await isState(page, 'disconnected');
    expect(await page.locator('#overlay-title').innerText()).toBe('Are you still there?');
    expect(await page.locator('#overlay-text').innerText()).toContain('3 seconds');
    expect(await page.locator('#overlay-wait').isVisible()).toBe(false);
    expect(await isWarned(page)).toBe(false);
    expect(await page.locator('#overlay-action').innerText()).toBe('Continue');
    await page.click('#overlay-action');
    await isState(page, 'connected');
    await until(() => demo.tunnel.stats().open === 1);
  });
});

describeWith('chromium', 'tmux')('issue 20: the page of the terminal', () => {
  let page: Page;
  let demo: Awaited<ReturnType<typeof startDemoFor>>;

  beforeEach(async () => {
    demo = await startDemoFor({ port: 1 }, { terminal: {} });
  });

  async function openTerminal(...browser: Parameters<typeof startBrowser>): Promise<void> {
    const context = await startBrowser(...browser);
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: demo.url });
    page = await logIn(context, demo.url);
    await page.waitForURL(`${demo.url}/`);
    await page.goto(`${demo.url}/terminal/`);
    await isState(page, 'connected');
  }

  /** All lines, those above the screen too, as the terminal shows them. */
  const textOf = () =>
    page.evaluate(() => {
      type Line = { translateToString: (trim: boolean) => string };
      type Shown = { buffer: { active: { length: number; getLine: (at: number) => Line | undefined } } };
      const { active } = (window as unknown as { demo: { terminal: Shown } }).demo.terminal.buffer;
      const lines = Array.from({ length: active.length }, (_, at) => active.getLine(at));
      return lines.map((line) => line?.translateToString(true) ?? '').join('\n');
    });
  const shows = (pattern: RegExp) => holds(async () => expect(await textOf()).toMatch(pattern));
  const type = (line: string) => page.keyboard.type(`${line}\n`);

  test('types, follows the size of the window, and finds the shell after a reload', async () => {
    await openTerminal({ width: 1000, height: 600 });
    await type('MARK=kept; echo "six=""$((6*7))."');
    await shows(/six=42\./);
    await type('stty size');
    const size = async () => (await page.locator('#size').innerText()).split(' × ');
    const [cols, rows] = await size();
    await shows(new RegExp(`^${rows} ${cols}$`, 'm'));

    await page.setViewportSize({ width: 700, height: 420 });
    await until(async () => (await size())[0] !== cols);
    const [fewer, lower] = await size();
    expect(Number(fewer)).toBeLessThan(Number(cols));
    await holds(async () => {
      await type('clear; stty size');
      await page.waitForTimeout(100);
      expect(await textOf()).toMatch(new RegExp(`^${lower} ${fewer}$`, 'm'));
    });

    await page.reload();
    await isState(page, 'connected');
    await type('echo "mark=""$MARK."');
    await shows(/mark=kept\./);
  });

  test('copies with Ctrl-Shift-C and pastes with the button', async () => {
    await openTerminal();
    await type('clear; echo "one=""two"');
    await shows(/^one=two/m);
    await page.evaluate(() =>
      (window as unknown as { demo: { terminal: { selectAll: () => void } } }).demo.terminal.selectAll(),
    );
    await page.keyboard.press('Control+Shift+C');
    await until(async () => (await page.evaluate(() => navigator.clipboard.readText())).includes('one=two'));
    await page.evaluate(() => navigator.clipboard.writeText('echo "pas""ted"'));
    await page.click('#paste');
    expect(await page.evaluate(() => document.activeElement?.localName)).toBe('textarea');
    await shows(/echo "pas""ted"$/m);
    await page.keyboard.press('Enter');
    await shows(/^pasted/m);
  });

  test('survives a flood of output, and Ctrl-C ends it', async () => {
    await openTerminal();
    await type('yes "a line of a flood"');
    await shows(/a line of a flood\n/);
    await page.keyboard.press('Control+C');
    await type('echo "af""ter"');
    await shows(/^after/m);
  });

  test('offers a new shell after the end of the shell', async () => {
    await openTerminal();
    await type('exit');
    await isState(page, 'ended');
    await until(async () => (await page.locator('#overlay-title').innerText()) === 'The shell has ended');
    await page.click('#overlay-action');
    await isState(page, 'connected');
    await type('echo "ag""ain"');
    await shows(/^again/m);
  });

  test('of a user who becomes a trainee ends, and does not try again', async () => {
    await openTerminal();
    await changeRole(demo.url, 'ada', 'trainee');
    await isState(page, 'ended');
    await until(
      async () => (await page.locator('#overlay-title').innerText()) === 'No terminal for trainees',
    );
    expect(await page.locator('#overlay-wait').isVisible()).toBe(false);
    const answer = await page.goto(`${demo.url}/terminal/`);
    expect(answer?.status()).toBe(403);
    expect(await page.locator('h1').innerText()).toBe('No terminal for trainees');
  });

  test('has keys for a phone, and fits into its width', async () => {
    await openTerminal(...PHONE);
    await page.tap('.xterm-screen');
    await type('cat');
    await page.tap('[data-key="|"]');
    await shows(/\|/);
    await page.tap('[data-key="control"]');
    await page.keyboard.type('c');
    await type('echo "st""ill"');
    await shows(/^still/m);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    const bar = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.querySelector('.bar') ?? document.body;
      return scrollWidth - clientWidth;
    });
    expect(bar).toBe(0);
  });
});
