import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ConnectionFailure } from '../../../src/redis/connection-failure.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function make() {
  const client = new EventEmitter();
  const failure = new ConnectionFailure(client);
  failure.onFailure = vi.fn();
  return { client, failure };
}

test('an error of the client is the reason until the client is ready again, and does not end the process', () => {
  const { client, failure } = make();
  expect(failure.reason).toBeUndefined();
  client.emit('error', new Error('connect ECONNREFUSED 127.0.0.1:1'));
  expect(failure.reason).toBe('connect ECONNREFUSED 127.0.0.1:1');
  expect(failure.onFailure).toHaveBeenCalledTimes(1);
  client.emit('ready');
  expect(failure.reason).toBeUndefined();
});

test('an error of more than ten seconds ago is not given as the reason', () => {
  const { client, failure } = make();
  client.emit('error', new Error('once'));
  vi.advanceTimersByTime(11_000);
  expect(failure.reason).toBeUndefined();
});

test('of a name with several addresses, the reason is that of the first', () => {
  const { client, failure } = make();
  client.emit('error', new AggregateError([new Error('connect ECONNREFUSED ::1:1'), new Error('other')]));
  expect(failure.reason).toBe('connect ECONNREFUSED ::1:1');
  client.emit('error', new AggregateError([]));
  expect(failure.reason).toBeUndefined();
});

test('after free() nothing listens', () => {
  const { client, failure } = make();
  failure.free();
  expect(client.eventNames()).toEqual([]);
});
