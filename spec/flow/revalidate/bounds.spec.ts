import { expect, test } from 'vitest';
import { onCleanup } from '../../support/cleanup.js';
import { requestTunnel } from '../../support/raw-client.js';
import { sleep, until } from '../../support/wait.js';
import { closed, closeOf, EVERY, open, openSeveral, startBehind } from './site.js';

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
