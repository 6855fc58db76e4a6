import session from 'express-session';
import type { BrowserContext, Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { startDesktop } from '../../demo/desktop/index.js';
import { PHONE, startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import { isState, logIn, startDemoFor } from '../support/demo.js';
import { describeWith } from '../support/programs.js';
import { until } from '../support/wait.js';

/** Screenshots for people, if the variable names a folder. */
const { SCREENSHOTS } = process.env;

async function shoot(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS !== undefined) await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
}

async function startEmbedded(host = {}, more: Parameters<typeof startDemoFor>[1] = {}) {
  const desktop = await startDesktop();
  onCleanup(() => desktop.close());
  const demo = await startDemoFor({ host: desktop.host, port: desktop.port, ...host }, more);
  return { desktop, demo };
}

/** Another tab of the same browser. */
async function openTab(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await isState(page, 'connected');
  return page;
}

async function logOut(page: Page): Promise<void> {
  await page.click('#user');
  await page.click('#logout');
  await page.waitForURL('**/login?out=1');
}

const titleOf = (page: Page) => page.locator('#overlay-title').innerText();

describeWith('chromium')('issue 16: the login of an open desktop', () => {
  test.each<[string, Parameters<typeof startBrowser>]>([
    ['a desktop browser', []],
    ['a phone', [...PHONE]],
  ])('after a logout in one tab of %s, the other shows a card with a login', async (name, device) => {
    const { demo, desktop } = await startEmbedded();
    const context = await startBrowser(...device);
    const first = await logIn(context, demo.url);
    await isState(first, 'connected');
    const second = await openTab(context, demo.url);
    await logOut(first);
    await second.bringToFront();
    await isState(second, 'disconnected');
    await until(async () => (await titleOf(second)) === 'You have been logged out');
    expect(await second.locator('#overlay-action').innerText()).toBe('Log in');
    expect(await second.locator('#overlay-wait').isVisible()).toBe(false);
    for (const button of ['#reconnect', '#disconnect', '#user'])
      expect(await second.locator(button).isVisible()).toBe(false);
    await shoot(second, `logged-out-${name.replaceAll(' ', '-')}`);
    await until(() => demo.tunnel.stats().open === 0 && desktop.viewers === 0);
    await second.click('#overlay-action');
    await second.waitForURL('**/login?expired=1');
    await shoot(second, `login-${name.replaceAll(' ', '-')}`);
  });

  test('a session that ends without a logout ends its desktop, and the page shows a card with a login', async () => {
    const store = new session.MemoryStore();
    const { demo } = await startEmbedded({}, { sessions: { secret: 'secret', store } });
    const causes: string[] = [];
    demo.tunnel.on('close', ({ cause }) => causes.push(cause));
    const page = await logIn(await startBrowser(), demo.url);
    await isState(page, 'connected');
    store.clear();
    await isState(page, 'disconnected');
    await until(async () => (await titleOf(page)) === 'You have been logged out');
    expect(causes).toEqual(['login-ended']);
    await page.click('#overlay-action');
    await page.waitForURL('**/login?expired=1');
  });

  test('a logout leaves the desktop of the same user in another browser open', async () => {
    const { demo } = await startEmbedded();
    const here = await logIn(await startBrowser(), demo.url);
    const there = await logIn(await startBrowser(), demo.url);
    await isState(here, 'connected');
    await isState(there, 'connected');
    await logOut(here);
    await until(() => demo.tunnel.stats().open === 1);
    // Two intervals.
    await there.waitForTimeout(6500);
    await isState(there, 'connected');
    expect(demo.tunnel.stats()).toMatchObject({ open: 1, opened: 2 });
  });

  test('a tab that the user returns to after a new login connects by itself', async () => {
    const { demo } = await startEmbedded();
    const context = await startBrowser();
    const first = await logIn(context, demo.url);
    await isState(first, 'connected');
    const second = await openTab(context, demo.url);
    await logOut(first);
    await isState(second, 'disconnected');
    await first.fill('#username', 'ada');
    await first.fill('#password', 'correct horse');
    await first.click('#login');
    await isState(first, 'connected');
    expect(await second.locator('#overlay-action').innerText()).toBe('Log in');
    // A browser without a window sends no focus event.
    await second.evaluate(() => window.dispatchEvent(new Event('focus')));
    await isState(second, 'connected');
  });

  test('a desktop that only one window may show moves to the newest window', async () => {
    const { demo } = await startEmbedded({ maxTunnels: 1, onFull: 'takeover' });
    const context = await startBrowser();
    const first = await logIn(context, demo.url);
    await isState(first, 'connected');
    const second = await openTab(context, demo.url);
    await first.bringToFront();
    await isState(first, 'disconnected');
    expect(await titleOf(first)).toBe('Connected elsewhere');
    expect(await first.locator('#overlay-wait').isVisible()).toBe(false);
    await shoot(first, 'replaced');
    await first.click('#overlay-action');
    await isState(first, 'connected');
    await isState(second, 'disconnected');
  });

  test('the page tries again after the server has shut down', async () => {
    const { demo } = await startEmbedded();
    const page = await logIn(await startBrowser(), demo.url);
    await isState(page, 'connected');
    await demo.tunnel.close();
    await page.waitForSelector('#overlay-wait:not([hidden])');
    expect(await titleOf(page)).toBe('The server closed the connection');
    await until(() => (demo.tunnel.stats().refused.WSTUNNEL_DRAINING ?? 0) > 1);
  });
});
