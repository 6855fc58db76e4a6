import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { startDesktop } from '../../demo/desktop/index.js';
import { startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import { describeWith } from '../support/programs.js';
import { processesWith, temporaryFolder } from '../support/spawned.js';
import { until } from '../support/wait.js';
import { PAGES, README, recipe, recipeNames, runRecipe, type Site } from './recipe.js';

const urlOf = ({ port }: Site) => `http://127.0.0.1:${port}`;

/** A page of the browser, and all that it complains of. */
async function openPage(url: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await (await startBrowser()).newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(url);
  return { page, complaints };
}

describe('issue 13, case 21: the first example of the README', () => {
  test('imports no package that its line does not install', () => {
    const [, line = ''] = /^npm install (.*@novnc\/novnc.*)$/m.exec(README) ?? [];
    const text = recipe('first', 'js');
    const imported = [...text.matchAll(/^import .* from '([^'.]+)';$/gm)].map(([, name = '']) => name);
    const used = imported.filter((name) => !name.startsWith('node:'));
    expect([...used, '@novnc/novnc'].sort()).toEqual(line.split(' ').sort());
    expect(text).toContain('node_modules/@novnc/novnc');
    expect(text.trim().split('\n').length).toBeLessThanOrEqual(30);
  });

  test('is the first code of the README', () => {
    expect(recipeNames()[0]).toBe('first');
    expect(README.indexOf('```js')).toBe(README.indexOf('```js', README.indexOf('<!-- recipe: first -->')));
  });
});

describeWith('chromium')('issue 13, case 21: the page of the first example', () => {
  async function start() {
    const desktop = await startDesktop();
    onCleanup(() => desktop.close());
    const site = await runRecipe('first', {
      main: 'desk.mjs',
      edits: [["host: '127.0.0.1', port: 5900", `host: '${desktop.host}', port: ${desktop.port}`]],
    });
    const [, password = ''] = await site.program.prints(/^http:\/\/127\.0\.0\.1:8080\/, password: (\S+)$/m);
    return { desktop, site, password };
  }

  test('shows the desktop after the login', async () => {
    const { desktop, site, password } = await start();
    const { page, complaints } = await openPage(urlOf(site));
    await page.fill('[name=password]', password);
    await page.click('button');
    const canvas = page.locator('canvas').first();
    const width = async () => (await canvas.count()) > 0 && (await canvas.getAttribute('width'));
    await until(async () => (await width()) === String(desktop.screen.width));
    await until(() => desktop.viewers === 1);
    expect(complaints).toEqual([]);
  });

  test('without the password there is a form, and no tunnel', async () => {
    const { desktop, site } = await start();
    const { page } = await openPage(urlOf(site));
    await page.fill('[name=password]', 'wrong');
    await page.click('button');
    await page.waitForSelector('[name=password]');
    expect((await page.goto(`${urlOf(site)}/vnc`))?.status()).toBe(401);
    expect(desktop.viewers).toBe(0);
  });

  test('the path of the tunnel says what it is', async () => {
    const { site, password } = await start();
    const { page } = await openPage(urlOf(site));
    await page.fill('[name=password]', password);
    await page.click('button');
    await page.waitForSelector('canvas');
    expect((await page.goto(`${urlOf(site)}/vnc`))?.status()).toBe(426);
    expect(await page.textContent('body')).toContain('This path is a WebSocket tunnel');
  });
});

describeWith('chromium', 'socat')('issue 13, case 24: the page of the terminal', () => {
  test('has a shell of the size of the window, with a TERM', async () => {
    const TMPDIR = await temporaryFolder();
    const site = await runRecipe('terminal', { env: { TMPDIR } });
    const { page, complaints } = await openPage(urlOf(site));
    const form = { username: 'ann', password: 'secret of ann' };
    // The cookie is the context's, and so the page's.
    expect((await page.request.post(`${urlOf(site)}/login`, { form, maxRedirects: 0 })).status()).toBe(303);
    await page.goto(urlOf(site));
    const rows = page.locator('.xterm-rows > div');
    const text = async () => (await rows.allTextContents()).map((row) => row.trimEnd()).join('\n');
    await until(async () => /[$#]/.test(await text()));
    await page.keyboard.type('echo "<$TERM $(stty size)>"\n');
    await until(async () => /<xterm-256color \d+ \d+>/.test(await text()));
    const [, height, width] = /<xterm-256color (\d+) (\d+)>/.exec(await text()) ?? [];
    expect(Number(height)).toBe(await rows.count());
    // The window has room for more than the 24 rows of 80 columns that a terminal has by default.
    expect(Number(height)).toBeGreaterThan(24);
    expect(Number(width)).toBeGreaterThan(80);

    await page.keyboard.type('exit\n');
    await until(async () => (await text()).includes('The shell has ended.'));
    expect(complaints).toEqual([]);
    await site.program.stop();
    await until(() => processesWith(TMPDIR).length === 0);
  });
});

test('every recipe with a page is one of these', () => {
  const withPage = recipeNames().filter((name) => {
    try {
      return recipe(name, 'js').includes('<script');
    } catch {
      return false;
    }
  });
  expect(withPage).toEqual(PAGES);
});
