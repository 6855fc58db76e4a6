import { expect, test } from 'vitest';
import { onCleanup } from '../../support/cleanup.js';
import { requestTunnel } from '../../support/raw-client.js';
import { sleep, until } from '../../support/wait.js';
import { closed, closeOf, EVERY, open, openSeveral, startBehind, type Marked } from './site.js';

test('close() stops the checks', async () => {
  const { port, tunnel, checks } = await startBehind((_req, _res, reach) => reach());
  const client = await open(port);
  onCleanup(() => client.socket.destroy());
  await until(() => checks.length >= 1);
  const closing = tunnel.close({ timeout: 0.5 });
  const before = checks.length;
  await closing;
  expect(checks).toHaveLength(before);
});

test('never are more than 32 checks under way', async () => {
  const { port, checks } = await startBehind(() => undefined);
  await openSeveral(port, 40);
  await until(() => checks.length >= 32);
  await sleep(3 * EVERY * 1000);
  expect(checks).toHaveLength(32);
});

test('failAfter ends also a tunnel whose check waits for checks that hang', async () => {
  const { port, tunnel, checks } = await startBehind(() => undefined, {
    rules: [{ url: '/tunnel/short', revalidate: { every: EVERY, failAfter: 1 } }],
  });
  await openSeveral(port, 32);
  await until(() => checks.length === 32);
  const ended = closed(tunnel);
  const client = requestTunnel(port, '/tunnel/short');
  expect((await client.answer()).status).toBe(101);
  expect(await closeOf(client)).toBe('1008 the login could not be checked');
  const { cause, duration } = await ended;
  expect(cause).toBe('login-unclear');
  expect(duration).toBeGreaterThan(0.9);
  // The other checks hang until their deadline of 10 seconds, and no check of this tunnel has begun.
  expect(checks).toHaveLength(32);
});

test("the checks of a user whose checks have no answer leave slots for other users' checks", async () => {
  let isHanging = false;
  const passed: string[] = [];
  const { port, checks } = await startBehind(
    (req, res, reach) => {
      const user = String(req.headers['x-user']);
      if (user === 'bob') passed.push(user);
      if (user === 'bob') reach();
      else if (!isHanging) res.destroy();
    },
    { user: (req: Marked) => String(req.headers['x-user']) },
  );
  for (let at = 0; at < 40; at++) await open(port, { 'X-User': 'ann' }, `/tunnel?number=${at}`);
  await until(() => checks.length > 40);
  isHanging = true;
  const before = checks.length;
  await open(port, { 'X-User': 'bob' });
  const since = passed.length;
  await until(() => passed.length >= since + 5);
  expect(checks.length - before - (passed.length - since)).toBeLessThanOrEqual(8);
});
