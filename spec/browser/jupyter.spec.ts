import { expect, test } from 'vitest';
import { PASSWORD, startRecipe } from '../recipes/start.js';
import { CHROMIUM, startBrowser } from '../support/browser.js';
import { execute, JUPYTER, startJupyter } from '../support/jupyter.js';
import { describeWith } from '../support/programs.js';
import { until } from '../support/wait.js';

/** Sends a text, and resolves to the value of the first `execute_result`. Messages of a page are compressed if the backend does so. */
const runOnPage = ([path, text]: readonly [string, string]) =>
  new Promise<string>((resolve) => {
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/lab${path}`);
    socket.onopen = () => socket.send(text);
    socket.onmessage = ({ data }) => {
      const { msg_type, content } = JSON.parse(data as string) as {
        msg_type: string;
        content: { data: Record<string, string> };
      };
      if (msg_type !== 'execute_result') return;
      resolve(`${content.data['text/plain']}, ${socket.extensions}`);
      socket.close();
    };
    socket.onclose = ({ code }) => resolve(`closed with ${code}`);
  });

describeWith(CHROMIUM ?? 'chromium', ...JUPYTER)('issue 18: the recipe for Jupyter', () => {
  test(
    'a notebook of its page runs code, after the login of the app and until the logout',
    { timeout: 90_000 },
    async () => {
      const jupyter = await startJupyter();
      const path = await jupyter.startKernel();
      const { port } = await startRecipe('jupyter.mjs', {
        JUPYTER: jupyter.address,
        JUPYTER_TOKEN: jupyter.token,
      });
      const context = await startBrowser();
      const page = await context.newPage();
      const site = `http://127.0.0.1:${port}/`;
      await page.goto(site);
      expect(await page.evaluate(runOnPage, [path, execute('1+1')] as const)).toBe('closed with 1006');
      await page.fill('[name="username"]', 'ann');
      await page.fill('[name="password"]', PASSWORD);
      await page.click('button');
      await page.waitForURL(`${site}lab/tree`);
      expect(await page.evaluate(runOnPage, [path, execute('1+1')] as const)).toMatch(
        /^2, permessage-deflate/,
      );

      // A notebook as a user makes one.
      await page.click('#new-dropdown-button');
      const [notebook] = await Promise.all([context.waitForEvent('page'), page.click('#kernel-python3 a')]);
      const closed: string[] = [];
      notebook.on('websocket', (socket) => socket.on('close', () => closed.push(socket.url())));
      await notebook.waitForSelector('.kernel_idle_icon');
      await notebook.click('.CodeMirror');
      await notebook.keyboard.type('6*7+0.25');
      await notebook.keyboard.press('Control+Enter');
      await notebook.waitForSelector('.output_result:has-text("42.25")');
      if (process.env.SHOT) await notebook.screenshot({ path: process.env.SHOT });

      // The logout of the app ends the WebSocket of the kernel.
      const status = await page.evaluate(async () => (await fetch('/logout', { method: 'POST' })).url);
      expect(status).toBe(site);
      await until(() => closed.some((url) => url.includes('/api/kernels/')));
      expect((await page.goto(`${site}lab/tree`))?.status()).toBe(401);
    },
  );
});
