import { describe, expect, test } from 'vitest';
import { startBrowser } from '../support/browser.js';
import type { BrowserPage } from '../support/browser-page.js';
import { makeCertificate } from '../support/certificate.js';
import { files, startCommand } from '../support/command.js';
import { startFirefox } from '../support/firefox.js';
import { describeWith } from '../support/programs.js';
import { startEcho } from '../support/servers.js';

interface CookiePage {
  readonly page: BrowserPage;
  readonly cookies: () => Promise<readonly object[]>;
  readonly clearCookies: () => Promise<void>;
}

/** WebKit: see webkit.spec.ts. */
const CASES: readonly (readonly [string, string, () => Promise<CookiePage>])[] = [
  [
    'Chromium',
    'chromium',
    async () => {
      const context = await startBrowser();
      const page = await context.newPage();
      return { page, cookies: () => context.cookies(), clearCookies: () => context.clearCookies() };
    },
  ],
  [
    'Firefox',
    'firefox-esr',
    async () => {
      const page = await (await startFirefox()).newPage();
      return { page, cookies: () => page.cookies(), clearCookies: () => page.clearCookies() };
    },
  ],
];

/** Resolves to `open` or `refused`, for a WebSocket that the page opens. */
function dial(page: BrowserPage): Promise<string> {
  return page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/websockify`);
        socket.onopen = () => resolve('open');
        socket.onclose = () => resolve('refused');
      }),
  );
}

/** A command with `--auth`, and the URL with the credentials that a user would type into the dialogue. */
async function startBehindLogin(...more: string[]) {
  const { port: target } = await startEcho();
  const { secret, folder } = await files({ secret: 'right\n', 'index.html': '<!doctype html><p>page' });
  const { url, port } = await startCommand([
    '0',
    `${target}`,
    '--auth',
    `ann:${secret}`,
    '--web',
    folder!,
    ...more,
  ]);
  return { url: url.replace('://', '://ann:right@'), port };
}

describe.each(CASES)('issue 21, point 1: --auth in %s', (_name, program, start) => {
  describeWith(program, 'openssl')('with the login of the page', () => {
    test(
      'the tunnel opens, also without the cookie, since the browser sends the password',
      { timeout: 180_000 },
      async () => {
        const { url, port } = await startBehindLogin();
        const { page, cookies, clearCookies } = await start();
        await page.goto(url);
        expect(await dial(page)).toBe('open');
        expect(await cookies()).toMatchObject([
          { name: `wstunnel-${port}`, httpOnly: true, secure: false, path: '/', sameSite: 'Strict' },
        ]);
        expect(await page.evaluate(() => document.cookie)).toBe('');
        // The browser remembers the password, and sends it with the WebSocket.
        await clearCookies();
        expect(await cookies()).toEqual([]);
        expect(await dial(page)).toBe('open');
      },
    );

    test('over https the cookie is bound to the host', { timeout: 180_000 }, async () => {
      const { cert, key } = makeCertificate();
      const { pem } = await files({ pem: Buffer.concat([cert, key]) });
      const { url, port } = await startBehindLogin('--cert', pem!);
      const { page, cookies } = await start();
      await page.goto(url);
      expect(await dial(page)).toBe('open');
      expect(await cookies()).toMatchObject([
        { name: `__Host-wstunnel-${port}`, httpOnly: true, secure: true, path: '/', sameSite: 'Strict' },
      ]);
    });
  });
});
