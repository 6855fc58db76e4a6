import { expect, test } from 'vitest';
import { ClientError } from '../../../src/client/index.js';
import { withRetries } from '../../../src/client/handshake/retry.js';

const SETTINGS = { retryFor: 60, retryDelay: 0.001 };
const gone = () => new ClientError('WSTUNNEL_UNREACHABLE', 'gone');

test('pauses double, and each wait is a random share of the pause', async () => {
  const delays: number[] = [];
  let left = 6;
  const result = await withRetries(
    SETTINGS,
    new AbortController().signal,
    () => (left-- > 0 ? Promise.reject(gone()) : Promise.resolve('open')),
    (_, seconds) => delays.push(seconds),
    () => 0.5,
  );
  expect(result).toBe('open');
  expect(delays).toEqual([0.0005, 0.001, 0.002, 0.004, 0.008, 0.016]);
});

test('the last failure is thrown when the time is up', async () => {
  const attempts = withRetries(
    { retryFor: 0.01, retryDelay: 1 },
    new AbortController().signal,
    () => Promise.reject(gone()),
    () => undefined,
    () => 1,
  );
  await expect(attempts).rejects.toMatchObject({ code: 'WSTUNNEL_UNREACHABLE' });
});

test('a permanent failure is not retried', async () => {
  let tries = 0;
  for (const error of [new Error('a defect'), new ClientError('WSTUNNEL_REFUSED', 'no', { status: 403 })]) {
    const attempts = withRetries(
      SETTINGS,
      new AbortController().signal,
      () => {
        tries++;
        return Promise.reject(error);
      },
      () => undefined,
    );
    await expect(attempts).rejects.toBe(error);
  }
  expect(tries).toBe(2);
});

test('an abort ends a pause', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const attempts = withRetries(
    { retryFor: 60, retryDelay: 30 },
    controller.signal,
    () => Promise.reject(gone()),
    () => controller.abort(reason),
    () => 1,
  );
  await expect(attempts).rejects.toBe(reason);
});
