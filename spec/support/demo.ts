import { startDemo, type Demo, type DemoOptions } from '../../demo/app.js';
import { startDesktop } from '../../demo/desktop/index.js';
import { startBrowser } from './browser.js';
import type { BrowserPage, BrowserPages } from './browser-page.js';
import { onCleanup } from './cleanup.js';
import { startRecorder } from './rfb-recorder.js';

export async function startDemoFor(
  vnc: DemoOptions['vnc'],
  more: Partial<DemoOptions> = {},
): Promise<Demo & { url: string }> {
  const demo = await startDemo({
    host: '127.0.0.1',
    port: 0,
    username: 'ada',
    password: 'correct horse',
    adminPassword: ADMIN_PASSWORD,
    traineePassword: TRAINEE_PASSWORD,
    vnc,
    desktop: 'spec desktop',
    ...more,
  });
  onCleanup(() => demo.close());
  return { ...demo, url: `http://127.0.0.1:${demo.port}` };
}

/** The passwords of the users admin and trainee of {@link startDemoFor}. */
export const ADMIN_PASSWORD = 'battery staple';
export const TRAINEE_PASSWORD = 'only watching';

/** The cookie of a new login, without a browser. */
export async function cookieOf(
  url: string,
  [username, password]: readonly [string, string] = ['ada', 'correct horse'],
): Promise<string> {
  const body = new URLSearchParams({ username, password });
  const answer = await fetch(`${url}/login`, { method: 'POST', body, redirect: 'manual' });
  if (answer.headers.get('location') !== '/') throw new Error(`the login of ${username} failed`);
  return answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
}

export async function logIn<P extends BrowserPage>(
  browser: BrowserPages<P>,
  url: string,
  [username, password]: readonly [string, string] = ['ada', 'correct horse'],
): Promise<P> {
  const page = await browser.newPage();
  await page.goto(url);
  await page.fill('#username', username);
  await page.fill('#password', password);
  await page.click('#login');
  return page;
}

export async function isState(page: BrowserPage, state: string): Promise<void> {
  await page.waitForSelector(`body[data-state="${state}"]`);
}

/** A part of the desktop, in its own pixels. */
export interface Part {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The colours of a part of the desktop as the page shows it (0xRRGGBB), with the number of pixels. */
export async function coloursOf(page: BrowserPage, part?: Part): Promise<Map<number, number>> {
  const counts = await page.evaluate((given: Part | undefined) => {
    const canvas = document.querySelector<HTMLCanvasElement>('#screen canvas');
    const { x, y, width, height } = given ?? {
      x: 0,
      y: 0,
      width: canvas?.width ?? 1,
      height: canvas?.height ?? 1,
    };
    const data = canvas?.getContext('2d')?.getImageData(x, y, width, height).data ?? [];
    const found = new Map<number, number>();
    for (let at = 0; at < data.length; at += 4) {
      const colour = ((data[at] ?? 0) << 16) | ((data[at + 1] ?? 0) << 8) | (data[at + 2] ?? 0);
      found.set(colour, (found.get(colour) ?? 0) + 1);
    }
    return [...found];
  }, part);
  return new Map(counts);
}

/** The number of pixels of a part that differ from its background, the most frequent colour. */
export async function inkOf(page: BrowserPage, part?: Part): Promise<number> {
  const counts = [...(await coloursOf(page, part)).values()];
  return counts.reduce((sum, count) => sum + count, 0) - Math.max(...counts);
}

export async function colourAt(page: BrowserPage, x: number, y: number): Promise<number | undefined> {
  return [...(await coloursOf(page, { x, y, width: 1, height: 1 })).keys()][0];
}

/** The position on the page of a point of the desktop. */
export async function pointOf(page: BrowserPage, x: number, y: number): Promise<{ x: number; y: number }> {
  const point = await page.evaluate(
    (on) => {
      const canvas = document.querySelector<HTMLCanvasElement>('#screen canvas');
      if (!canvas) return undefined;
      const { left, top, width, height } = canvas.getBoundingClientRect();
      return { x: left + (on.x * width) / canvas.width, y: top + (on.y * height) / canvas.height };
    },
    { x, y },
  );
  if (!point) throw new Error('the page shows no desktop');
  return point;
}

/** The demo in a browser, connected to a desktop that records the viewer's messages. */
export async function connectRecorded(...browser: Parameters<typeof startBrowser>) {
  const desktop = await startDesktop();
  onCleanup(() => desktop.close());
  const recorder = await startRecorder(desktop);
  const demo = await startDemoFor({ port: recorder.port });
  const page = await logIn(await startBrowser(...browser), demo.url);
  await isState(page, 'connected');
  return { demo, page, recorder };
}
