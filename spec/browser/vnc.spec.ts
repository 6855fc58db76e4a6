import { describe, expect, test } from 'vitest';
import { BROWSERS } from '../support/browser-page.js';
import { describeWith } from '../support/programs.js';
import { holds, until } from '../support/wait.js';
import { inkOfShell, openRole, showsDesktop, sizeOf, startVncApp, typeLine } from './vnc-app.js';
import { VNC_SERVERS } from './vnc-servers.js';
import { copy, tamper } from './vnc-tampering.js';

const PASSWORD = 'sesame';

const ROLES = { operator: { password: PASSWORD }, trainee: { password: PASSWORD, viewOnly: true } };

describe.each(BROWSERS)('issue 20, point 1: %s', (_name, program, startBrowser) => {
  for (const { name, programs, canResize, start } of VNC_SERVERS)
    describeWith(program, ...programs)(`with ${name}`, () => {
      test(
        'without a password on the page an operator types, and a trainee only watches',
        { timeout: 120_000 },
        async () => {
          const desktop = await start(PASSWORD);
          const { tunnel, url } = await startVncApp(desktop.host, ROLES);
          const browser = await startBrowser();
          const operator = await openRole(browser, url, 'operator');
          await showsDesktop(operator);
          const trainee = await openRole(browser, url, 'trainee');
          await showsDesktop(trainee);
          await until(() => tunnel.stats().open === 2);

          // The trainee's noVNC is not view-only by itself.
          const blank = await inkOfShell(trainee);
          await typeLine(trainee, 'echo trainee >> $P');
          await tamper(trainee, { word: 'trainee', withExtensions: true });
          await copy(trainee, 'trainee');
          await typeLine(operator, 'echo operator >> $P; seq 40');
          await holds(async () => expect(await desktop.written()).toBe('operator\n'));
          await trainee.bringToFront();
          await until(async () => (await inkOfShell(trainee)) > blank + 300);

          // The same messages have an effect where the server lets them pass.
          await tamper(operator, { word: 'tampered', withExtensions: canResize });
          const expected = 'operator\ntampered-keys\ntampered-paste\n';
          await holds(async () => expect(await desktop.written()).toBe(expected));
          await copy(operator, 'tampered');
          await until(async () => {
            await operator.mouse.click(200, 250, { button: 'middle' });
            return (await desktop.written()).endsWith('tampered-copied\n');
          });
          for (const page of canResize ? [operator, trainee] : []) {
            await page.bringToFront();
            await holds(async () => expect(await sizeOf(page)).toBe('640x400'));
          }
          expect(tunnel.stats().open).toBe(2);
        },
      );
    });
});
