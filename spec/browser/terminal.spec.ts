import { expect, test } from 'vitest';
import { startDemoFor, isState, logIn } from '../support/demo.js';
import { startFirefox } from '../support/firefox.js';
import { describeWith } from '../support/programs.js';
import { holds } from '../support/wait.js';

interface Line {
  translateToString(trim: boolean): string;
}

/** The terminal of xterm.js, as the demo's page has it. */
interface Demo {
  readonly terminal: {
    readonly rows: number;
    readonly cols: number;
    readonly buffer: { readonly active: { length: number; getLine(at: number): Line | undefined } };
  };
}

// Chromium: demo-roles.spec.ts.
describeWith('firefox-esr', 'tmux')('issue 20, point 2: the page of the terminal in Firefox', () => {
  test(
    'types, has the size of the window, and finds the shell after a reload',
    { timeout: 90_000 },
    async () => {
      const demo = await startDemoFor({ port: 1 }, { terminal: {} });
      const page = await logIn(await startFirefox(), demo.url);
      await page.waitForFunction(() => location.pathname === '/');
      const open = async () => {
        await page.goto(`${demo.url}/terminal/`);
        await isState(page, 'connected');
      };
      const shows = (pattern: RegExp) =>
        holds(async () =>
          expect(
            await page.evaluate(() => {
              const { active } = (window as unknown as { demo: Demo }).demo.terminal.buffer;
              const lines = Array.from({ length: active.length }, (_, at) => active.getLine(at));
              return lines.map((line) => line?.translateToString(true) ?? '').join('\n');
            }),
          ).toMatch(pattern),
        );
      const type = async (line: string) => {
        await page.keyboard.type(line);
        await page.keyboard.press('Enter');
      };

      await open();
      await type('MARK=kept; echo "six=""$((6*7))."');
      await shows(/six=42\./);
      const { rows, cols } = await page.evaluate(() => {
        const { terminal } = (window as unknown as { demo: Demo }).demo;
        return { rows: terminal.rows, cols: terminal.cols };
      });
      await type('stty size');
      await shows(new RegExp(`^${rows} ${cols}$`, 'm'));

      await open();
      await type('echo "mark=""$MARK."');
      await shows(/mark=kept\./);
    },
  );
});
