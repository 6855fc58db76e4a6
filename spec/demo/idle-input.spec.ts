import { describe, expect, test } from 'vitest';
import { readArguments, UsageError } from '../../demo/arguments.js';
import { startDesktop } from '../../demo/desktop/index.js';
import { onCleanup } from '../support/cleanup.js';
import { cookieOf, startDemoFor, TRAINEE_PASSWORD } from '../support/demo.js';
import { DemoViewer } from '../support/demo-viewer.js';
import { sleep, until } from '../support/wait.js';

const TRAINEE = ['trainee', TRAINEE_PASSWORD] as const;

/** Seconds. */
const LIMIT = 2;

async function start(inputIdle = LIMIT) {
  const desktop = await startDesktop();
  onCleanup(() => desktop.close());
  const demo = await startDemoFor({ port: desktop.port }, { inputIdle });
  const causes: string[] = [];
  demo.tunnel.on('close', ({ cause }) => causes.push(cause));
  const open = async (login?: readonly [string, string]) =>
    DemoViewer.open(demo.port, await cookieOf(demo.url, login));
  return { demo, desktop, causes, open };
}

describe('issue 20: a desktop without input', () => {
  test('is closed with the seconds in the reason, although pictures flow', async () => {
    const { demo, causes, open, desktop } = await start();
    let since = Infinity;
    demo.tunnel.on('open', () => (since = performance.now()));
    const viewer = await open();
    // Requests for pictures are no input.
    const asking = setInterval(() => viewer.send(Buffer.from([3, 0, 0, 0, 0, 0, 0, 8, 0, 8])), 100);
    onCleanup(() => clearInterval(asking));
    expect(await viewer.close()).toEqual({
      code: 1001,
      reason: `no key or pointer event for ${LIMIT} s`,
    });
    expect(performance.now() - since).toBeGreaterThan(LIMIT * 1000 - 100);
    await until(() => causes.length > 0);
    expect(causes).toEqual(['input-idle']);
    await until(() => desktop.viewers === 0);
  });

  test('stays open while the user types or moves the pointer', async () => {
    const { demo, open } = await start();
    const viewer = await open();
    const end = performance.now() + 2.5 * LIMIT * 1000;
    for (let at = 0; performance.now() < end; at++) {
      if (at % 2 === 0) viewer.press(0x78);
      else viewer.point(at, at, 0);
      await sleep((LIMIT * 1000) / 4);
    }
    await viewer.update();
    expect(demo.tunnel.stats().open).toBe(1);
  });

  test('stays open for a trainee, who can only watch', async () => {
    const { demo, open } = await start();
    const watcher = await open(TRAINEE);
    const typist = await open();
    expect(await typist.close()).toMatchObject({ code: 1001 });
    await sleep(LIMIT * 1000);
    await watcher.update();
    await until(() => demo.tunnel.stats().open === 1);
  });

  test('is announced: the page learns the seconds of its user', async () => {
    const { demo } = await start(90);
    const secondsOf = async (login?: readonly [string, string]) => {
      const answer = await fetch(`${demo.url}/whoami`, {
        headers: { cookie: await cookieOf(demo.url, login) },
      });
      return ((await answer.json()) as { inputIdle: number }).inputIdle;
    };
    expect(await secondsOf()).toBe(90);
    expect(await secondsOf(TRAINEE)).toBe(0);
  });

  test('--input-idle takes seconds up to a day', () => {
    expect(readArguments([])?.inputIdle).toBe(600);
    expect(readArguments(['--input-idle', '0'])?.inputIdle).toBe(0);
    for (const text of ['', '-1', 'x', '86401', 'Infinity'])
      expect(() => readArguments([`--input-idle=${text}`]), text).toThrow(UsageError);
  });
});
