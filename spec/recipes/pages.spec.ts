import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { startDesktop } from '../../demo/desktop/index.js';
import { startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import { describeWith } from '../support/programs.js';
import { processesWith, temporaryFolder } from '../support/spawned.js';
import { until } from '../support/wait.js';
import { README, recipe, runBlock } from './recipe.js';
import { PASSWORD, RECIPES, recipeFiles, startRecipe, type Site } from './start.js';

const urlOf = ({ port }: Site) => `http://127.0.0.1:${port}`;

/** Opens a page of the browser, and collects all its errors. */
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
    expect(README.indexOf('<!-- recipe: ')).toBe(README.indexOf('<!-- recipe: first -->'));
    expect(README.indexOf('```js')).toBe(README.indexOf('```js', README.indexOf('<!-- recipe: first -->')));
  });
});

describeWith('chromium')('issue 13, case 21: the page of the first example', () => {
  async function start() {
    const desktop = await startDesktop();
    onCleanup(() => desktop.close());
    const site = await runBlock('first', 'desk.mjs', [
      ["host: '127.0.0.1', port: 5900", `host: '${desktop.host}', port: ${desktop.port}`],
    ]);
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

/** Fills in the form of the recipes' pages. */
async function logIn(page: Page): Promise<void> {
  await page.fill('[name=username]', 'ann');
  await page.fill('[name=password]', PASSWORD);
  await page.click('button');
}

describeWith('chromium')('the page of the recipes with a desktop', () => {
  test('shows the desktop after the login, and says when it has ended', async () => {
    const desktop = await startDesktop();
    onCleanup(() => desktop.close());
    const site = await startRecipe('sessions.mjs', { VNC_PORT: String(desktop.port) });
    const { page, complaints } = await openPage(urlOf(site));
    await logIn(page);
    await page.waitForSelector('canvas');
    await until(() => desktop.viewers === 1);
    await desktop.close();
    await page.getByText('The desktop has disconnected.').waitFor();
    await page.reload();
    await page.getByText('The desktop could not be reached.').waitFor();
    expect(complaints).toEqual([]);
  });
});

describeWith('chromium')('issue 16: the logout of the recipes with sessions', () => {
  test.each(['sessions.mjs', 'passport.mjs'])(
    '%s: the button ends the desktop and leads to the login',
    async (file) => {
      const desktop = await startDesktop();
      onCleanup(() => desktop.close());
      const site = await startRecipe(file, { VNC_PORT: String(desktop.port) });
      const { page, complaints } = await openPage(urlOf(site));
      await logIn(page);
      await until(() => desktop.viewers === 1);
      // The canvas fills the page below the button, and nothing scrolls.
      const { canvas, height, scrolled } = await page.evaluate(() => ({
        canvas: document.querySelector('canvas')?.getBoundingClientRect().bottom ?? 0,
        height: innerHeight,
        scrolled: document.documentElement.scrollHeight,
      }));
      expect(canvas).toBeLessThanOrEqual(height);
      expect(scrolled).toBe(height);
      if (process.env.SCREENSHOTS !== undefined)
        await page.screenshot({ path: `${process.env.SCREENSHOTS}/${file}.png` });
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.waitForSelector('[name=username]');
      await until(() => desktop.viewers === 0);
      expect(complaints).toEqual([]);
    },
  );
});

describeWith('chromium')('the page of reason-on-page', () => {
  test('asks for the login, and shows the reason of a refusal', async () => {
    const desktop = await startDesktop();
    onCleanup(() => desktop.close());
    const site = await startRecipe('reason-on-page.mjs', { VNC_PORT: String(desktop.port) });
    const { page, complaints } = await openPage(urlOf(site));
    await page.waitForURL('**/login');
    await logIn(page);
    await page.getByText('Connected.').waitFor();
    await desktop.close();
    await page.reload();
    await page.getByText('the backend').waitFor();
    expect(complaints).toEqual([]);
  });
});

describeWith('chromium', 'socat')('issue 13, case 24: the page of the terminal', () => {
  test('has a shell of the size of the window, with a TERM', { timeout: 60_000 }, async () => {
    const TMPDIR = await temporaryFolder();
    const site = await startRecipe('terminal.mjs', { TMPDIR });
    const { page, complaints } = await openPage(urlOf(site));
    await logIn(page);
    const rows = page.locator('.xterm-rows > div');
    const text = async () => (await rows.allTextContents()).map((row) => row.trimEnd()).join('\n');
    await until(async () => /[$#]/.test(await text()));
    await page.keyboard.type('echo "<$TERM $(stty size)>"\n');
    await until(async () => /<xterm-256color \d+ \d+>/.test(await text()));
    const [, height, width] = /<xterm-256color (\d+) (\d+)>/.exec(await text()) ?? [];
    expect(Number(height)).toBe(await rows.count());
    // The window has room for more than the terminal's default of 24 rows and 80 columns.
    expect(Number(height)).toBeGreaterThan(24);
    expect(Number(width)).toBeGreaterThan(80);

    await page.keyboard.type('exit\n');
    await until(async () => (await text()).includes('The shell has ended.'));
    expect(complaints).toEqual([]);
    await site.program.stop();
    await until(() => processesWith(TMPDIR).length === 0);
  });

  test('of node-pty follows the size of the window', { timeout: 60_000 }, async () => {
    const HOME = await temporaryFolder();
    const site = await startRecipe('node-pty.mjs', { HOME, SHELL: '/bin/bash', TMUX: 'no' });
    const { page, complaints } = await openPage(urlOf(site));
    await logIn(page);
    const rows = page.locator('.xterm-rows > div');
    const text = async () => (await rows.allTextContents()).map((row) => row.trimEnd()).join('\n');
    await until(async () => /[$#]/.test(await text()));
    const counts: number[] = [];
    for (const height of [400, 700]) {
      await page.setViewportSize({ width: 900, height });
      await until(async () => (await rows.count()) !== counts.at(-1));
      const count = await rows.count();
      counts.push(count);
      // The prompt of bash may still be the one of the old size.
      await page.keyboard.type(
        `until [ $(stty size | cut -d" " -f1) = ${count} ]; do sleep 0.1; done; echo "<${count}>"\n`,
      );
      await until(async () => (await text()).includes(`\n<${count}>`));
    }
    expect(counts[1]).toBeGreaterThan(counts[0] ?? Infinity);
    await page.keyboard.type('exit\n');
    await until(async () => (await text()).includes('The shell has ended.'));
    expect(complaints).toEqual([]);
    await site.program.stop();
  });

  test('says that a shell could not be started', async () => {
    const site = await startRecipe('terminal.mjs', { PATH: '/nowhere' });
    const { page, complaints } = await openPage(urlOf(site));
    await logIn(page);
    const rows = page.locator('.xterm-rows > div');
    const text = async () => (await rows.allTextContents()).join('');
    await until(async () => (await text()).includes('The shell could not be started.'));
    expect(await text()).not.toContain('has ended');
    expect(complaints).toEqual([]);
  });
});

test('every page of the recipes is opened by one of these, or by spec/browser/tickets.spec.ts', () => {
  const pages = recipeFiles.filter((file) => readFileSync(join(RECIPES, file), 'utf8').includes('<script'));
  expect(pages).toEqual(['desktop-page.mjs', 'reason-on-page.mjs', 'terminal-page.mjs', 'tickets.mjs']);
});
