import type { RequestHandler } from 'express';
import type { BrowserContext, Page } from 'playwright-core';
import { expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import { describeWith } from '../support/programs.js';
import { makeTunnel, startApp, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

vi.setConfig({ testTimeout: 90_000 });

/** Screenshots for people, if the variable names a folder. */
const { SCREENSHOTS } = process.env;

const HOSTILE = [
  '<img src=x onerror=alert(1)>',
  '"><script>alert(2)</script>',
  '../../etc/passwd',
  'evil\u202egnp.exe',
  'line\nbreak\u0000',
  '__proto__',
  'a'.repeat(5000),
];

/** An app with the page at `/admin`, and tunnels whose user is in the URL. `check` stands before the page. */
async function startAdmin(check: RequestHandler = (_req, _res, next) => next()) {
  const backend = await startEcho();
  const tunnel = makeTunnel({
    server: { port: backend.port },
    user: (req) => new URL(req.url ?? '', 'http://localhost').searchParams.get('user') ?? undefined,
    authenticate: (req) => !/denied/.test(req.url ?? ''),
    closeTimeout: 2,
  });
  const site = await startApp((app) => {
    app.use('/tunnel', tunnel);
    app.get('/login', (_req, res) => void res.send('<h1>Log in</h1>'));
    app.use('/admin', check, tunnel.admin());
  });
  const open = async (user: string) => {
    const url = `ws://127.0.0.1:${site.port}/tunnel?user=${encodeURIComponent(user)}`;
    const socket = new WebSocket(url);
    onCleanup(() => socket.terminate());
    const closed = new Promise<{ code: number; reason: string }>((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return { socket, closed };
  };
  return { ...site, tunnel, backend, open, url: `http://127.0.0.1:${site.port}/admin` };
}

const faults: string[] = [];

/** The page, opened and live. Each error of the console and each violation of the CSP is a fault. */
async function openPage(context: BrowserContext, url: string): Promise<Page> {
  faults.length = 0;
  const page = context.pages()[0] ?? (await context.newPage());
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => console.error(event.violatedDirective));
  });
  await page.goto(url);
  await isConnection(page, 'live');
  return page;
}

const isConnection = (page: Page, state: string) =>
  page.locator(`#connection[data-state="${state}"]`).waitFor({ timeout: 30_000 });

const usersOf = (page: Page) => page.locator('#rows td.cell-user').allInnerTexts();
const rowOf = (page: Page, user: string) => page.locator('#rows tr', { hasText: user });

async function hasUsers(page: Page, users: readonly string[]): Promise<void> {
  await until(async () => JSON.stringify((await usersOf(page)).sort()) === JSON.stringify([...users].sort()));
}

async function shoot(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS !== undefined) await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
}

/** Texts whose contrast to their background is below 4.5 (WCAG 2 AA), in the page. */
function lowContrasts(): string[] {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
  const luminanceOf = (colour: string) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0] = [...context.getImageData(0, 0, 1, 1).data].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const backgroundOf = (element: Element | null): string => {
    if (element === null) return 'white';
    const { backgroundColor } = getComputedStyle(element);
    return backgroundColor === 'rgba(0, 0, 0, 0)' ? backgroundOf(element.parentElement) : backgroundColor;
  };
  const low: string[] = [];
  for (const element of document.querySelectorAll('body *')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim());
    if (!hasText || !element.checkVisibility()) continue;
    const [text, back] = [
      luminanceOf(getComputedStyle(element).color),
      luminanceOf(backgroundOf(element)),
    ].sort((one, other) => other - one) as [number, number];
    const ratio = (text + 0.05) / (back + 0.05);
    if (ratio < 4.5) low.push(`${element.textContent} ${ratio.toFixed(2)}`);
  }
  return low;
}

/** Controls without a name, images without a text, tables without a caption, ids that occur twice. */
function unnamed(): string[] {
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  const faulty = ids.filter((id, index) => ids.indexOf(id) !== index);
  for (const control of document.querySelectorAll<HTMLInputElement>('button, input, select, a'))
    if (
      (control.getAttribute('aria-label') ?? control.textContent.trim()) === '' &&
      (control.labels?.length ?? 0) === 0
    )
      faulty.push(control.outerHTML);
  for (const id of [...document.querySelectorAll('[aria-labelledby]')].map((element) =>
    element.getAttribute('aria-labelledby'),
  ))
    if (document.getElementById(id ?? '') === null) faulty.push(`no element ${id}`);
  if (document.querySelector('img:not([alt])') !== null) faulty.push('an image without alt');
  if (document.querySelector('table > caption') === null) faulty.push('a table without a caption');
  return faulty;
}

describeWith('chromium')('issue 19: the admin page', () => {
  test('shows two tunnels, ends one by clicks, and leaves the other open', async () => {
    const site = await startAdmin();
    const [ada, bob] = [await site.open('ada'), await site.open('bob')];
    const page = await openPage(await startBrowser(), site.url);
    await hasUsers(page, ['ada', 'bob']);
    expect(await page.locator('#open').innerText()).toBe('2');
    expect(await rowOf(page, 'ada').innerText()).toContain(`127.0.0.1:${site.backend.port}`);
    await rowOf(page, 'ada').hover();
    expect(await rowOf(page, 'ada').locator('.cell-queued').getAttribute('title')).toMatch(/^0 bytes/);
    await rowOf(page, 'ada').getByRole('button').click();
    expect(await page.locator('#end-title').innerText()).toBe('End this tunnel?');
    expect(await page.locator('#end-facts').innerText()).toMatch(/User\s+ada/);
    await page.click('#end-send');
    await ada.closed;
    await hasUsers(page, ['bob']);
    expect(await page.locator('#notice-text').innerText()).toMatch(/^Ended the tunnel of ada to /);
    expect(await page.locator('#announcer').innerText()).toMatch(/^Ended the tunnel of ada/);
    expect(bob.socket.readyState).toBe(WebSocket.OPEN);
    expect(faults).toEqual([]);
  });

  test('ends all tunnels of a user with a reason, and no tunnel of another user', async () => {
    const site = await startAdmin();
    const adas = [await site.open('ada'), await site.open('ada'), await site.open('ada')];
    const bob = await site.open('bob');
    const page = await openPage(await startBrowser(), site.url);
    await hasUsers(page, ['ada', 'ada', 'ada', 'bob']);
    await rowOf(page, 'ada').first().getByRole('button').click();
    await page.check('#end-all');
    expect(await page.locator('#end-title').innerText()).toBe('End all tunnels of ada?');
    expect(await page.locator('#end-all-text').innerText()).toBe('All tunnels of ada (3 in this list)');
    await page.fill('#end-reason', 'maintenance');
    await page.click('#end-send');
    for (const { closed } of adas) expect(await closed).toMatchObject({ reason: 'maintenance' });
    await hasUsers(page, ['bob']);
    expect(await page.locator('#notice-text').innerText()).toBe('Ended 3 tunnels of ada.');
    expect(bob.socket.readyState).toBe(WebSocket.OPEN);
    expect(faults).toEqual([]);
  });

  test('filters and sorts, and keeps both after a reload', async () => {
    const site = await startAdmin();
    for (const user of ['carol', 'ada', 'carter']) await site.open(user);
    const page = await openPage(await startBrowser(), site.url);
    await until(async () => (await usersOf(page)).join() === 'carter,ada,carol');
    const header = page.getByRole('columnheader', { name: 'User' });
    await header.getByRole('button').click();
    await until(async () => (await usersOf(page)).join() === 'ada,carol,carter');
    expect(await header.getAttribute('aria-sort')).toBe('ascending');
    await header.getByRole('button').click();
    await until(async () => (await usersOf(page)).join() === 'carter,carol,ada');
    expect(await header.getAttribute('aria-sort')).toBe('descending');
    await page.fill('#filter', 'CAR');
    await until(async () => (await usersOf(page)).join() === 'carter,carol');
    expect(await page.locator('#matching').innerText()).toBe('2 of 3 tunnels match');
    await page.reload();
    await until(async () => (await usersOf(page)).join() === 'carter,carol');
    expect(await page.inputValue('#filter')).toBe('CAR');
    await page.fill('#filter', 'nobody');
    await page.getByText('No open tunnel matches the filter.').waitFor();
    expect(faults).toEqual([]);
  });

  test('shows hostile names as text, in the list and in the dialog', async () => {
    const site = await startAdmin();
    for (const user of HOSTILE) await site.open(user);
    const page = await openPage(await startBrowser({ width: 360, height: 740 }), site.url);
    await until(async () => (await usersOf(page)).length === HOSTILE.length);
    const users = await usersOf(page);
    expect(users).toContain('<img src=x onerror=alert(1)>');
    expect(users).toContain('evil\\u202egnp.exe');
    expect(users).toContain('line\\u000abreak\\u0000');
    expect(Math.max(...users.map((user) => user.length))).toBeLessThan(400);
    expect(await page.locator('#rows img, #rows script').count()).toBe(0);
    await rowOf(page, '<img').getByRole('button').click();
    await page.check('#end-all');
    expect(await page.locator('#end-title').innerText()).toBe(
      'End all tunnels of <img src=x onerror=alert(1)>?',
    );
    await shoot(page, 'admin-hostile');
    await page.click('#end-send');
    await until(() => site.tunnel.stats().open === HOSTILE.length - 1);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    expect(faults).toEqual([]);
  });

  test('the dialog in a low window shows first which tunnel ends, and its buttons', async () => {
    const site = await startAdmin();
    await site.open('ada');
    const page = await openPage(await startBrowser({ width: 640, height: 320 }), site.url);
    await rowOf(page, 'ada').getByRole('button').click();
    const outside = () =>
      page.evaluate(() => {
        const { top, bottom } = document.querySelector('#end')!.getBoundingClientRect();
        return ['#end-title', '#end-facts dd', '#end-cancel', '#end-send'].filter((selector) => {
          const part = document.querySelector(selector)!.getBoundingClientRect();
          return part.top < top || part.bottom > Math.min(bottom, window.innerHeight);
        });
      });
    expect(await outside()).toEqual([]);
    expect(faults).toEqual([]);
  });

  test('works with the keyboard alone, and the focus is always visible', async () => {
    const site = await startAdmin();
    const [ada] = [await site.open('ada'), await site.open('bob')];
    const page = await openPage(await startBrowser(), site.url);
    await hasUsers(page, ['ada', 'bob']);
    const focused = () =>
      page.evaluate(() => {
        const element = document.activeElement!;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        return {
          name: element.getAttribute('aria-label') ?? element.textContent,
          outline: outlineStyle === 'solid' && outlineWidth === '2px',
        };
      });
    const names: (string | null)[] = [];
    for (let left = 20; left > 0 && !/tunnel of ada/.test(names.at(-1) ?? ''); left--) {
      await page.keyboard.press('Tab');
      const { name, outline } = await focused();
      expect(outline, name).toBe(true);
      names.push(name);
    }
    expect(names).toEqual(expect.arrayContaining(['Pause', 'User', 'Open for', 'Queued']));
    expect(names.at(-1)).toMatch(/^End the tunnel of ada to /);
    await page.keyboard.press('Enter');
    expect(await focused()).toEqual({ name: 'Cancel', outline: true });
    await page.keyboard.press('Escape');
    expect((await focused()).name).toMatch(/^End the tunnel of ada/);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect((await focused()).name).toBe('End tunnel');
    await page.keyboard.press('Enter');
    await ada.closed;
    // The row of the ended tunnel keeps the focus until the focus leaves the list.
    await page.locator('#rows tr.gone').waitFor();
    expect((await focused()).name).toMatch(/^End the tunnel of ada/);
    await page.locator('#filter').focus();
    await hasUsers(page, ['bob']);
    expect(faults).toEqual([]);
  });

  test('keeps each row in its place while the pointer aims at it', async () => {
    const site = await startAdmin();
    await site.open('ada');
    const page = await openPage(await startBrowser(), site.url);
    await hasUsers(page, ['ada']);
    const button = rowOf(page, 'ada').getByRole('button');
    const box = (await button.boundingBox())!;
    await page.mouse.move(box.x + 5, box.y + 5);
    await page.mouse.down();
    await site.open('bob');
    await page.getByText('the list keeps its rows while you point at it (1 more)').waitFor();
    expect(await button.boundingBox()).toEqual(box);
    await page.mouse.up();
    expect(await page.locator('#end-facts').innerText()).toMatch(/User\s+ada/);
    await page.click('#end-cancel');
    await page.mouse.move(5, 5);
    await hasUsers(page, ['ada', 'bob']);
    expect((await usersOf(page))[0]).toBe('bob');
    expect(faults).toEqual([]);
  });

  test('leaves focus, text selection and scroll position as they are at each update', async () => {
    const site = await startAdmin();
    for (let number = 0; number < 40; number++) await site.open(`user-${number}`);
    const page = await openPage(await startBrowser({ width: 1280, height: 500 }), site.url);
    await until(async () => (await usersOf(page)).length === 40);
    await page.locator('#filter').pressSequentially('user');
    await page.mouse.wheel(0, 400);
    await page.waitForFunction(() => window.scrollY >= 400);
    await page.evaluate(() => {
      const cell = document.querySelector('#rows tr:nth-child(8) .cell-since')!;
      document.getSelection()!.selectAllChildren(cell);
    });
    const before = await page.evaluate(() => [String(document.getSelection()), window.scrollY]);
    const time = await page.locator('#rows tr:nth-child(9) .cell-since').innerText();
    await until(async () => (await page.locator('#rows tr:nth-child(9) .cell-since').innerText()) !== time);
    expect(await page.evaluate(() => [String(document.getSelection()), window.scrollY])).toEqual(before);
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('filter');
    expect(faults).toEqual([]);
  });

  test('shows refusals with status, words and reason', async () => {
    const site = await startAdmin();
    const page = await openPage(await startBrowser(), site.url);
    await page.getByText('No request was refused.').waitFor();
    const denied = new WebSocket(`ws://127.0.0.1:${site.port}/tunnel?denied`);
    denied.on('error', () => undefined);
    const item = page.locator('#refusals li');
    await item.waitFor();
    expect(await item.innerText()).toMatch(/401\s+Not logged in/);
    expect(await item.locator('time').getAttribute('title')).toMatch(/\d{4}/);
    expect(await page.locator('#refused').innerText()).toBe('1');
    expect(faults).toEqual([]);
  });

  test('stops showing tunnels and asks for a new login after a logout', async () => {
    for (const answer of [401, 302]) {
      let isAdmin = true;
      const site = await startAdmin((_req, res, next) => {
        if (isAdmin) next();
        else if (answer === 401) res.sendStatus(401);
        else res.redirect('/login');
      });
      const ada = await site.open('ada');
      const page = await openPage(await startBrowser(), site.url);
      await hasUsers(page, ['ada']);
      isAdmin = false;
      await rowOf(page, 'ada').getByRole('button').click();
      await page.click('#end-send');
      await isConnection(page, 'login');
      expect(await page.locator('#logged-out').innerText()).toContain('You are logged out.');
      expect(await page.locator('body').innerText()).not.toContain('ada');
      expect(ada.socket.readyState).toBe(WebSocket.OPEN);
      isAdmin = true;
      await page.getByRole('link', { name: 'Log in again' }).click();
      await hasUsers(page, ['ada']);
    }
  });

  test('says that it reconnects while the server is away, and goes on afterwards', async () => {
    const site = await startAdmin();
    await site.open('ada');
    const page = await openPage(await startBrowser(), site.url);
    await hasUsers(page, ['ada']);
    await page.context().setOffline(true);
    site.server.closeAllConnections();
    await isConnection(page, 'reconnecting');
    await page.context().setOffline(false);
    await isConnection(page, 'live');
  });

  test('shows nothing new while it is paused', async () => {
    const site = await startAdmin();
    await site.open('ada');
    const page = await openPage(await startBrowser(), site.url);
    await hasUsers(page, ['ada']);
    await page.click('#pause');
    await isConnection(page, 'paused');
    await site.open('bob');
    await page.waitForTimeout(2500);
    expect(await usersOf(page)).toEqual(['ada']);
    await page.click('#pause');
    await hasUsers(page, ['ada', 'bob']);
    expect(faults).toEqual([]);
  });

  test.each(['light', 'dark'] as const)(
    'has names and a contrast of 4.5 in %s colours',
    async (colorScheme) => {
      const site = await startAdmin();
      await site.open('ada');
      for (const path of ['/tunnel?denied', '/tunnel?denied=2'])
        new WebSocket(`ws://127.0.0.1:${site.port}${path}`).on('error', () => undefined);
      const context = await startBrowser();
      await (await context.newPage()).emulateMedia({ colorScheme });
      const page = await openPage(context, site.url);
      await hasUsers(page, ['ada']);
      expect(await page.evaluate(lowContrasts)).toEqual([]);
      expect(await page.evaluate(unnamed)).toEqual([]);
      // 305: a window of 320 pixels with a classic scroll bar.
      for (const width of [1280, 900, 360, 320, 305]) {
        await page.setViewportSize({ width, height: 740 });
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
        await shoot(page, `admin-${colorScheme}-${width}`);
      }
      await rowOf(page, 'ada').getByRole('button').click();
      expect(await page.evaluate(lowContrasts)).toEqual([]);
      await page.click('#end-send');
      await page.locator('#notice').waitFor();
      expect(await page.evaluate(lowContrasts)).toEqual([]);
      await page.getByText('No tunnel is open.').waitFor();
      expect(faults).toEqual([]);
    },
  );
});
