import type { BrowserContext, Page } from 'playwright-core';
import { beforeAll, expect, test, vi } from 'vitest';
import { PHONE, startBrowser } from '../support/browser.js';
import { end } from '../support/command.js';
import { isState, logIn } from '../support/demo.js';
import { compileDemo, startReplicatedDemo } from '../support/demo-program.js';
import { describeWith } from '../support/programs.js';
import { until } from '../support/wait.js';

vi.setConfig({ testTimeout: 90_000 });

/** Screenshots for people, if the variable names a folder. */
const { SCREENSHOTS } = process.env;

async function shoot(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS !== undefined) await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
}

const urlOf = (port: number) => `http://127.0.0.1:${port}`;

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

beforeAll(compileDemo, 120_000);

describeWith('chromium', 'redis-server')('issue 17: a logout on another replica', () => {
  test.each<[string, Parameters<typeof startBrowser>]>([
    ['a desktop browser', []],
    ['a phone', [...PHONE]],
  ])('ends the desktop of %s, and the page shows a card with a login', async (name, device) => {
    const demo = await startReplicatedDemo();
    const [one, other] = demo.ports;
    const context = await startBrowser(...device);
    const first = await logIn(context, urlOf(one));
    await isState(first, 'connected');
    await demo.program.prints(/replica 1: a desktop was opened/);
    // Cookies belong to a host and not to a port: the other replica finds the session in Redis.
    const second = await openTab(context, urlOf(other));
    await demo.program.prints(/replica 2: a desktop was opened/);
    await logOut(second);
    await first.bringToFront();
    await isState(first, 'disconnected');
    await until(
      async () => (await first.locator('#overlay-title').innerText()) === 'You have been logged out',
    );
    // By end(), not by a check of the login.
    await demo.program.prints(/replica 1: a desktop was closed \(ended-by-app\)/);
    expect(await first.locator('#overlay-action').innerText()).toBe('Log in');
    expect(await first.locator('#overlay-wait').isVisible()).toBe(false);
    await shoot(first, `replicas-${name.replaceAll(' ', '-')}`);
    await first.click('#overlay-action');
    await first.waitForURL('**/login?expired=1');
  });

  test('leaves the desktop of the same user in another browser open, on both replicas', async () => {
    const demo = await startReplicatedDemo();
    const [one, other] = demo.ports;
    const [here, there] = [await startBrowser(), await startBrowser()];
    const kept = await logIn(there, urlOf(one));
    await isState(kept, 'connected');
    const keptToo = await openTab(there, urlOf(other));
    const gone = await logIn(here, urlOf(one));
    await isState(gone, 'connected');
    await logOut(await openTab(here, urlOf(other)));
    await isState(gone, 'disconnected');
    for (const page of [kept, keptToo]) await isState(page, 'connected');
  });

  test('a page behind the balancer reconnects when its replica is killed', async () => {
    const demo = await startReplicatedDemo();
    const page = await logIn(await startBrowser(), urlOf(demo.port));
    await isState(page, 'connected');
    const [, number = ''] = await demo.program.prints(/replica (\d): a desktop was opened/);
    const [victim, survivor] = number === '1' ? [demo.pids[0], 2] : [demo.pids[1], 1];
    end(victim);
    await demo.program.prints(new RegExp(`replica ${number} has ended`));
    await demo.program.prints(new RegExp(`replica ${survivor}: a desktop was opened`));
    await isState(page, 'connected');
  });
});
