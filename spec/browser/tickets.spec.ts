import { expect, test } from 'vitest';
import { CHROMIUM, startBrowser } from '../support/browser.js';
import { describeWith } from '../support/programs.js';
import { startBackend } from '../support/servers.js';
import { until } from '../support/wait.js';
import { PASSWORD, startRecipe } from '../recipes/start.js';

const VERSION = 'RFB 003.008\n';

describeWith(CHROMIUM ?? 'chromium')('a sandboxed frame, which has no cookies', () => {
  test('opens its desktop with the ticket that the page got', async () => {
    const backend = await startBackend((socket) => socket.write(VERSION));
    const { port } = await startRecipe('tickets.mjs', { VNC_PORT: String(backend.port) });
    const browser = await startBrowser();
    const page = await browser.newPage();
    const requests: { url: string; cookie: string | undefined }[] = [];
    browser.on('request', (request) => {
      void request.allHeaders().then(
        ({ cookie }) => requests.push({ url: request.url(), cookie }),
        () => undefined,
      );
    });
    const sockets: string[] = [];
    page.on('websocket', (socket) => sockets.push(socket.url()));
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.fill('[name="username"]', 'ann');
    await page.fill('[name="password"]', PASSWORD);
    await page.click('button');
    await until(() => backend.received().toString() === VERSION);
    expect(sockets).toHaveLength(1);
    expect(sockets[0]).toMatch(/\/vnc\?ticket=wst_[\w-]{43}$/);
    const modules = requests.filter(({ url }) => url.includes('/novnc/'));
    expect(modules.length).toBeGreaterThan(5);
    for (const { cookie } of modules) expect(cookie).toBeUndefined();

    // A reload of the page gets another ticket.
    await page.reload();
    await until(() => backend.received().toString() === VERSION + VERSION);
    expect(new Set(sockets).size).toBe(2);
  });
});
