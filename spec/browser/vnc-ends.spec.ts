import { describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserPage } from '../support/browser-page.js';
import { describeWith } from '../support/programs.js';
import { until } from '../support/wait.js';
import { closedOf, openRole, showsDesktop, startVncApp, typeLine, type VncWindow } from './vnc-app.js';
import { VNC_SERVERS } from './vnc-servers.js';

const PASSWORD = 'sesame';

/** Seconds. */
const IDLE = 4;

const ROLES = {
  operator: { password: PASSWORD },
  trainee: { password: PASSWORD, viewOnly: true },
  forgetful: { password: 'mistaken' },
  sleepy: { password: PASSWORD, inputIdleTimeout: IDLE },
};

/** More than TigerVNC accepts: after five failures the server refuses the address, right passwords included. */
const ATTEMPTS = 8;

/** Connects again and again as the page has done; resolves to the close codes with the reasons. */
function retry(page: BrowserPage): Promise<string[]> {
  return page.evaluate(async (attempts) => {
    const { url } = (window as unknown as VncWindow).socket;
    const closed = () =>
      new Promise<string>((resolve) => {
        new WebSocket(url).onclose = ({ code, reason }) => resolve(`${code} ${reason}`);
      });
    const all: string[] = [];
    while (all.length < attempts) all.push(await closed());
    return all;
  }, ATTEMPTS);
}

describe.each(BROWSERS)('issue 20, point 1: %s', (_name, program, startBrowser) => {
  for (const { name, programs, start } of VNC_SERVERS)
    describeWith(program, ...programs)(`with ${name}`, () => {
      test(
        'the page shows why a password was rejected, and repeated attempts do not lock out others',
        { timeout: 120_000 },
        async () => {
          const desktop = await start(PASSWORD);
          const { url } = await startVncApp(desktop.host, ROLES);
          const browser = await startBrowser();
          const refused = await openRole(browser, url, 'forgetful');
          expect(await closedOf(refused)).toBe('4502 the VNC server rejected the password');
          for (const reason of await retry(refused))
            expect(reason).toMatch(/^4502 the VNC server rejected the /);
          const page = await openRole(browser, url, 'operator');
          await showsDesktop(page);
          expect(await page.evaluate(() => document.documentElement.outerHTML)).not.toContain(PASSWORD);

          // An end of one tunnel is nothing to another.
          const trainee = await openRole(browser, url, 'trainee');
          await showsDesktop(trainee);
          await trainee.evaluate(() =>
            (window as unknown as VncWindow).socket.send(new Uint8Array([77, 0, 0, 0])),
          );
          expect(await closedOf(trainee)).toMatch(/^1008 .*\b77\b/);
          await typeLine(page, 'echo still >> $P');
          await until(async () => (await desktop.written()) === 'still\n');
        },
      );
    });

  const [, server] = VNC_SERVERS;
  describeWith(program, ...(server?.programs ?? []))(`with ${server?.name}`, () => {
    test(
      'a user without input gets a Close 1001, and one who types does not',
      { timeout: 120_000 },
      async () => {
        const desktop = await server!.start(PASSWORD);
        const { url } = await startVncApp(desktop.host, ROLES);
        const page = await openRole(await startBrowser(), url, 'sleepy');
        await showsDesktop(page);
        const start = performance.now();
        let last = start;
        for (let at = 1; last < start + 1.5 * IDLE * 1000; at++) {
          last = performance.now();
          await typeLine(page, `echo ${at} >> $P`);
          await until(async () => (await desktop.written()).endsWith(`${at}\n`));
        }
        expect(await closedOf(page)).toMatch(/^1001 /);
        expect(performance.now() - last).toBeGreaterThan(IDLE * 1000 - 100);
      },
    );
  });
});
