import { expect, test } from 'vitest';
import { layout, startDesktop } from '../../demo/desktop/index.js';
import { startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import { colourAt, inkOf, isState, logIn, pointOf, startDemoFor } from '../support/demo.js';
import { describeWith } from '../support/programs.js';
import { startHttp, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

async function startEmbedded() {
  const desktop = await startDesktop();
  onCleanup(() => desktop.close());
  const demo = await startDemoFor({ host: desktop.host, port: desktop.port });
  return { desktop, demo };
}

/** The close code and reason that a page sees after opening a WebSocket to `url`. */
const openFromPage = (url: string) =>
  new Promise<{ code: number; reason: string }>((resolve) => {
    const socket = new WebSocket(url);
    socket.onclose = ({ code, reason }) => resolve({ code, reason });
  });

describeWith('chromium')('the demo in a browser', () => {
  test('without a login no tunnel opens, and the page says so', async () => {
    const { demo, desktop } = await startEmbedded();
    const context = await startBrowser();
    const page = await context.newPage();
    await page.goto(demo.url);
    expect(page.url()).toBe(`${demo.url}/login`);
    expect(await page.title()).toContain('express-wstunnel');
    const outcome = await page.evaluate(openFromPage, `ws://127.0.0.1:${demo.port}/vnc/websockify`);
    expect(outcome.code).toBe(1006);
    expect(demo.tunnel.stats().opened).toBe(0);
    expect(desktop.viewers).toBe(0);

    await page.fill('#username', 'ada');
    await page.fill('#password', 'wrong');
    await page.click('#login');
    await page.waitForURL('**/login?error=1');
    expect(await page.locator('#error').isVisible()).toBe(true);
  });

  test('after the login the desktop is drawn and reacts to pointer and keys', async () => {
    const { demo, desktop } = await startEmbedded();
    const context = await startBrowser();
    const page = await logIn(context, demo.url);
    await isState(page, 'connected');
    expect(demo.tunnel.stats().open).toBe(1);

    // A place of the wallpaper that nothing covers.
    const corner = [3, desktop.screen.height - 3] as const;
    await until(async () => (await colourAt(page, ...corner)) === desktop.screen.pixel(...corner));

    // A stroke on the paper: the server's picture changes, and the browser's picture too.
    const { canvas, terminal } = layout;
    const middle = [canvas.x + 80, canvas.y + 80] as const;
    const blank = desktop.screen.pixel(...middle);
    const start = await pointOf(page, middle[0] - 50, middle[1] - 50);
    const end = await pointOf(page, middle[0] + 50, middle[1] + 50);
    await page.mouse.move(start.x, start.y);
    await page.mouse.down();
    await page.mouse.move(end.x, end.y, { steps: 20 });
    await page.mouse.up();
    await until(() => desktop.screen.pixel(...middle) !== blank);
    await until(async () => (await colourAt(page, ...middle)) === desktop.screen.pixel(...middle));

    const before = await inkOf(page, terminal);
    const inside = await pointOf(page, terminal.x + 200, terminal.y + 200);
    await page.mouse.click(inside.x, inside.y);
    await page.keyboard.type('help\n');
    await until(async () => (await inkOf(page, terminal)) > before + 1000);
  });

  test('a logout ends the tunnels of that user', async () => {
    const { demo, desktop } = await startEmbedded();
    const context = await startBrowser();
    const page = await logIn(context, demo.url);
    await isState(page, 'connected');
    const second = await context.newPage();
    await second.goto(demo.url);
    await isState(second, 'connected');
    await page.click('#user');
    await page.click('#logout');
    await page.waitForURL('**/login?out=1');
    await second.waitForFunction(() => document.body.dataset.state !== 'connected');
    await until(() => demo.tunnel.stats().open === 0 && desktop.viewers === 0);
    expect(demo.tunnel.stats().closed).toHaveProperty('1008');
  });

  test('a page of another origin is refused although its cookies are sent', async () => {
    const { demo } = await startEmbedded();
    const evil = await startHttp((_req, res) =>
      res.setHeader('Content-Type', 'text/html').end('<title>evil</title>'),
    );
    const context = await startBrowser();
    const page = await logIn(context, demo.url);
    await isState(page, 'connected');
    const other = await context.newPage();
    await other.goto(`http://127.0.0.1:${evil.port}/`);
    const outcome = await other.evaluate(openFromPage, `ws://127.0.0.1:${demo.port}/vnc/websockify`);
    expect(outcome).toMatchObject({ code: 4403, reason: expect.stringContaining('origin') as string });
    expect(demo.tunnel.stats()).toMatchObject({ opened: 1, refused: { WSTUNNEL_ORIGIN_REFUSED: 1 } });
  });

  test('issue 13, case 16: a page whose host name is rebound to this machine gets no tunnel', async () => {
    const { demo } = await startEmbedded();
    const context = await startBrowser(undefined, ['--host-resolver-rules=MAP *.example 127.0.0.1']);
    const page = await context.newPage();
    const own = await page.goto(`http://evil.example:${demo.port}/login`);
    expect(own?.status()).toBe(403);
    expect(await page.innerText('body')).toContain('"evil.example" is not a name of this demo');

    // The middleware alone, in an app on loopback without a login.
    const { app, port, tunnel } = await startTunnel();
    app.get('/', (_req, res) => res.type('html').send('<title>page</title>'));
    await page.goto(`http://evil.example:${port}/`);
    expect((await page.evaluate(openFromPage, `ws://evil.example:${port}/tunnel`)).code).toBe(1006);
    expect(tunnel.stats()).toMatchObject({ opened: 0, refused: { WSTUNNEL_ORIGIN_REFUSED: 1 } });
    await page.goto(`http://localhost:${port}/`);
    await page.evaluate((url) => new WebSocket(url).url, `ws://localhost:${port}/tunnel`);
    await until(() => tunnel.stats().opened === 1);
  });

  test('the page shows the reason of a refusal', async () => {
    const demo = await startDemoFor({ port: 1, connectTimeout: 2 });
    const context = await startBrowser();
    const page = await logIn(context, demo.url);
    await isState(page, 'unavailable');
    await until(() => page.locator('#overlay').isVisible());
    expect(await page.locator('#overlay').innerText()).toMatch(/could not be reached/i);
  });

  test('issue 13, case 20: the page calls a desktop that is down unavailable, and a refusal refused', async () => {
    const down = await startDemoFor({ port: 1, connectTimeout: 2 });
    const context = await startBrowser();
    const page = await logIn(context, down.url);
    await isState(page, 'unavailable');
    expect(await page.locator('#status').innerText()).toBe('Unavailable');
    expect(await page.locator('.menu-password:not([hidden])').count()).toBe(0);
    const red = /^rgb\(255, 1\d\d, 1\d\d\)$/;
    const colour = () => page.locator('#status').evaluate((pill) => getComputedStyle(pill).color);
    expect(await colour()).not.toMatch(red);

    const none = await startDemoFor(() => undefined);
    await page.goto(none.url);
    await page.fill('#username', 'ada');
    await page.fill('#password', 'correct horse');
    await page.click('#login');
    await isState(page, 'refused');
    expect(await colour()).toMatch(red);
  });

  test('issue 13, case 20: "VNC password: None" is shown where none is needed', async () => {
    const { demo } = await startEmbedded();
    const page = await logIn(await startBrowser(), demo.url);
    await isState(page, 'connected');
    await page.click('#user');
    expect(await page.locator('#menu-password').innerText()).toBe('None');
  });
});
