import { expect, test } from 'vitest';
import type { TunnelError } from '../../../src/errors.js';
import { LoginPauses } from '../../../src/vnc/login-pauses.js';
import { loginRejection, vncRefusal } from '../../../src/vnc/refusals.js';
import { deferred } from '../../support/wait.js';

const LOGIN = { username: 'bob', password: 'secret' };
const rejecting = () => Promise.reject(loginRejection('rejected', ''));

function makePauses() {
  const clock = { now: 0 };
  const pauses = new LoginPauses(() => clock.now);
  let attempts = 0;
  const attempt = async (run: () => Promise<unknown> = rejecting, login = LOGIN, host = 'a:1') => {
    try {
      return await pauses.run(host, login, () => {
        attempts++;
        return run();
      });
    } catch (error) {
      const { message, headers } = error as TunnelError;
      return headers['Retry-After'] === undefined ? message : Number(headers['Retry-After']);
    }
  };
  return { clock, pauses, attempt, attempts: () => attempts };
}

test('a rejected login waits for 10, 20, 40 and then 60 seconds, without an attempt', async () => {
  const { clock, attempt, attempts } = makePauses();
  for (const seconds of [10, 20, 40, 60, 60]) {
    expect(await attempt()).toBe('rejected');
    const before = attempts();
    expect(await attempt()).toBe(seconds);
    clock.now += seconds * 1000 - 1;
    expect(await attempt()).toBe(1);
    expect(attempts()).toBe(before);
    clock.now += 1;
  }
});

test('another password, user or host is tried at once', async () => {
  const { attempt } = makePauses();
  await attempt();
  expect(await attempt(rejecting, { ...LOGIN, password: 'other' })).toBe('rejected');
  expect(await attempt(rejecting, { ...LOGIN, username: 'eve' })).toBe('rejected');
  expect(await attempt(rejecting, LOGIN, 'b:1')).toBe('rejected');
  expect(await attempt(rejecting, { username: 'bob', password: 'secret' })).toBe(10);
});

test('a success forgets the rejections', async () => {
  const { clock, attempt, pauses } = makePauses();
  await attempt();
  clock.now += 10_000;
  expect(await attempt(() => Promise.resolve('open'))).toBe('open');
  expect(pauses.size).toBe(0);
  await attempt();
  expect(await attempt()).toBe(10);
});

test('other failures make no pause', async () => {
  const { attempt, pauses } = makePauses();
  expect(await attempt(() => Promise.reject(vncRefusal('closed')))).toBe('closed');
  expect(pauses.size).toBe(0);
});

test('after a pause one login is tried at a time', async () => {
  const { clock, attempt, attempts } = makePauses();
  await attempt();
  clock.now += 10_000;
  const running = deferred<string>();
  const first = attempt(() => running.promise);
  expect(await attempt()).toBe(1);
  expect(attempts()).toBe(2);
  running.resolve('open');
  expect(await first).toBe('open');
  expect(await attempt(() => Promise.resolve('too'))).toBe('too');
});

test('logins that are rejected together count once', async () => {
  const { attempt } = makePauses();
  await Promise.all([attempt(), attempt(), attempt()]);
  expect(await attempt()).toBe(10);
});

test('the number of remembered logins is bounded, and the newest stay', async () => {
  const { attempt, pauses } = makePauses();
  for (let port = 0; port < 1500; port++) await attempt(rejecting, LOGIN, `a:${port}`);
  expect(pauses.size).toBe(1000);
  expect(await attempt(rejecting, LOGIN, 'a:1499')).toBe(10);
  expect(await attempt(rejecting, LOGIN, 'a:0')).toBe('rejected');
});
