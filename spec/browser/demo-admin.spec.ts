import type { Page } from 'playwright-core';
import { beforeAll, expect, test, vi } from 'vitest';
import { startDesktop } from '../../demo/desktop/index.js';
import { PHONE, startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import { ADMIN_PASSWORD, isState, logIn, startDemoFor } from '../support/demo.js';
import { compileDemo, startReplicatedDemo } from '../support/demo-program.js';
import { describeWith } from '../support/programs.js';
import { holds, until } from '../support/wait.js';

vi.setConfig({ testTimeout: 90_000 });

const ADMIN = ['admin', ADMIN_PASSWORD] as const;

async function startEmbedded() {
  const desktop = await startDesktop();
  onCleanup(() => desktop.close());
  return startDemoFor({ host: desktop.host, port: desktop.port });
}

/** A new browser with an open desktop of a user. */
async function openDesktop(url: string): Promise<Page> {
  const page = await logIn(await startBrowser(), url);
  await isState(page, 'connected');
  return page;
}

/** The admin page, in a new browser. */
async function openAdmin(url: string, ...browser: Parameters<typeof startBrowser>): Promise<Page> {
  const page = await logIn(await startBrowser(...browser), url, ADMIN);
  await isState(page, 'connected');
  await page.goto(`${url}/admin/`);
  return page;
}

/** The rows of the admin page for the desktops of `ada`. */
const rowsOf = (page: Page) => page.locator('#rows tr', { hasText: /ada\// });

async function endFirst(admin: Page, reason: string): Promise<void> {
  await rowsOf(admin).first().locator('.button-end').click();
  await admin.fill('#end-reason', reason);
  await admin.click('#end-send');
}

/** The one page of several that is no longer connected. */
async function endedOf(pages: readonly Page[]): Promise<Page> {
  let ended: Page | undefined;
  await until(async () => {
    for (const page of pages)
      if ((await page.evaluate(() => document.body.dataset.state)) === 'disconnected') ended = page;
    return ended !== undefined;
  });
  return ended as Page;
}

beforeAll(compileDemo, 120_000);

describeWith('chromium')('issue 19: the administrator of the demo', () => {
  test('sees two desktops, ends one of them, and its page shows the reason', async () => {
    const demo = await startEmbedded();
    const desktops = [await openDesktop(demo.url), await openDesktop(demo.url)];
    const admin = await openAdmin(demo.url);
    await holds(async () => expect(await rowsOf(admin).count()).toBe(2));

    await endFirst(admin, 'maintenance at noon');
    const ended = await endedOf(desktops);
    const card = await ended.locator('#overlay').innerText();
    expect(card).toContain('Ended by the application');
    expect(card).toContain('maintenance at noon');
    expect(await ended.locator('#overlay-wait').isVisible()).toBe(false);
    const other = desktops.find((page) => page !== ended);
    expect(await other?.evaluate(() => document.body.dataset.state)).toBe('connected');
    await until(() => demo.tunnel.stats().open === 1);
  });

  test('has links to the pages in the menu, which other users do not see', async () => {
    const demo = await startEmbedded();
    const user = await openDesktop(demo.url);
    await user.click('#user');
    expect(await user.locator('#menu-admin').isVisible()).toBe(false);

    const admin = await logIn(await startBrowser(...PHONE), demo.url, ADMIN);
    await isState(admin, 'connected');
    await admin.click('#user');
    await until(() => admin.locator('#menu-admin').isVisible());
    // Nothing is recorded.
    expect(await admin.locator('#menu-recordings').isVisible()).toBe(false);
    await admin.click('#menu-admin a');
    await admin.waitForURL('**/admin/');
    await until(() => admin.locator('#tunnels').isVisible());
  });

  test('is asked for a login, and another user gets 403 and a page that says why', async () => {
    const demo = await startEmbedded();
    const page = await (await startBrowser()).newPage();
    await page.goto(`${demo.url}/admin/`);
    expect(page.url()).toBe(`${demo.url}/login`);
    const user = await openDesktop(demo.url);
    for (const path of ['/admin', '/admin/', '/recordings/', '/recordings/x']) {
      const answer = await user.goto(`${demo.url}${path}`);
      expect(answer?.status(), path).toBe(403);
      expect(await user.locator('h1').innerText()).toBe('Only for the administrator');
    }
    await user.click('text=Log in as another user');
    await user.waitForURL('**/login?out=1');
  });
});

describeWith('chromium', 'redis-server')('issue 19: the administrator of several replicas', () => {
  test('sees the desktops of all replicas, and ends one of another replica', async () => {
    const demo = await startReplicatedDemo('--admin-password', ADMIN_PASSWORD);
    const [one, other] = demo.ports.map((port) => `http://127.0.0.1:${port}`) as [string, string];
    const desktop = await openDesktop(other);
    const admin = await openAdmin(one);
    await holds(async () => expect(await rowsOf(admin).count()).toBe(1));
    await endFirst(admin, 'from afar');
    await isState(desktop, 'disconnected');
    await until(async () => (await desktop.locator('#overlay').innerText()).includes('from afar'));
  });
});
