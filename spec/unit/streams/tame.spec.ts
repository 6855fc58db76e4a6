import { once } from 'node:events';
import { Socket } from 'node:net';
import { Duplex, type DuplexOptions } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { carrierOf } from '../../../src/streams/carrier.js';
import { tame } from '../../../src/streams/tame.js';
import { acceptedMark } from '../../../src/streams/write-progress.js';
import { onCleanup } from '../../support/cleanup.js';
import { until } from '../../support/wait.js';

const fault = () => {
  throw new Error('a fault of the app');
};

/** A tamed stream of an app, and the emitted events. */
function start(options: DuplexOptions = {}) {
  const inner = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => done(),
    ...options,
  });
  onCleanup(() => Duplex.prototype.destroy.call(inner));
  const stream = tame(inner);
  const heard: string[] = [];
  for (const event of ['end', 'close']) stream.on(event, () => heard.push(event));
  stream.on('error', ({ message }: Error) => heard.push(message));
  stream.on('data', (chunk: Buffer) => heard.push(chunk.toString()));
  return { inner, stream, heard };
}

const turns = async (count = 3) => {
  for (let at = 0; at < count; at++) await new Promise((resolve) => setImmediate(resolve));
};

test("a socket of Node's and a stream that is tame already are returned unchanged", () => {
  const socket = new Socket();
  const { stream } = start();
  const ours = Object.assign(new Duplex(), { isTame: true });
  expect([tame(socket), tame(stream), tame(ours)]).toEqual([socket, stream, ours]);
});

test('bytes pass in both directions, and the end passes after the bytes', async () => {
  const written: string[] = [];
  const { inner, stream, heard } = start({
    write: (chunk: Buffer, _encoding, done) => {
      written.push(chunk.toString());
      done();
    },
  });
  inner.push('one');
  inner.push('two');
  inner.push(null);
  stream.write('three');
  stream.end('four');
  await once(stream, 'close');
  expect(heard).toEqual(['one', 'two', 'end', 'close']);
  expect(written).toEqual(['three', 'four']);
});

describe('a method that throws is a failure of the stream', () => {
  test.each<[method: 'write' | 'end' | 'pause' | 'resume', (stream: Duplex, inner: Duplex) => unknown]>([
    ['write', (stream) => stream.write('x')],
    ['end', (stream) => stream.end()],
    ['pause', (stream, inner) => (stream.pause(), inner.push('x'), inner.push('y'))],
    ['resume', (stream) => (stream.pause(), stream.resume())],
  ])('%s', async (method, act) => {
    const { inner, stream, heard } = start();
    await turns();
    inner[method] = fault;
    act(stream, inner);
    if (method === 'resume') inner.push('x');
    await until(() => heard.includes('close'));
    expect(heard.filter((what) => what.length > 1)).toEqual(['a fault of the app', 'close']);
    expect(inner.destroyed).toBe(true);
  });

  test('destroy does not throw, and close is emitted', async () => {
    const { inner, stream, heard } = start({ emitClose: false });
    inner.destroy = fault;
    stream.destroy();
    await turns();
    expect(heard).toEqual(['close']);
  });
});

describe('close is emitted once', () => {
  test('if the stream emits close twice and stays open', async () => {
    const { inner, heard } = start();
    inner.emit('close');
    inner.emit('close');
    await turns();
    expect(heard).toEqual(['close']);
    expect(inner.destroyed).toBe(true);
    expect(['data', 'end', 'close'].map((event) => inner.listenerCount(event))).toEqual([0, 0, 0]);
  });

  test('after a failure, if the stream never emits close', async () => {
    const { inner, heard } = start({ emitClose: false });
    inner.destroy(new Error('gone'));
    await turns();
    expect(heard).toEqual(['gone', 'close']);
  });

  test('at the next write, if the stream is destroyed without an event', async () => {
    const { inner, stream, heard } = start({ emitClose: false });
    await turns();
    inner.destroy();
    await turns();
    expect(heard).toEqual([]);
    stream.write('x');
    await turns();
    expect(heard).toEqual(['the stream was destroyed', 'close']);
  });

  test('where a write calls back twice', async () => {
    const { inner, stream, heard } = start();
    inner.write = ((_chunk: Buffer, done: () => void) => (done(), done(), true)) as typeof inner.write;
    stream.write('x');
    await turns();
    expect(heard).toEqual([]);
  });
});

test('bytes read before the end arrive although the stream closes meanwhile', async () => {
  const { inner, stream, heard } = start();
  await turns();
  stream.pause();
  inner.push('last');
  inner.push(null);
  inner.end();
  await once(inner.resume(), 'close');
  expect(heard).toEqual([]);
  stream.resume();
  await once(stream, 'close');
  expect(heard).toEqual(['last', 'end', 'close']);
});

test('a failure before the first reader is reported once reading starts', async () => {
  const inner = new Duplex({ autoDestroy: false, read: () => undefined });
  onCleanup(() => inner.destroy());
  const stream = tame(inner);
  inner.emit('error', new Error('too early'));
  await turns();
  expect(stream.destroyed).toBe(false);
  const failed = once(stream, 'error');
  stream.resume();
  expect(((await failed) as [Error])[0].message).toBe('too early');
});

test('a stream that produces bytes synchronously does not block the event loop', async () => {
  let asked = 0;
  const { stream } = start({
    read(this: Duplex) {
      this.push(++asked < 1_000_000 ? 'x' : null);
    },
  });
  await turns();
  stream.destroy();
  expect(asked).toBeLessThan(100_000);
});

test('bytes count as accepted one write at a time, and not when they are queued', async () => {
  const waiting: (() => void)[] = [];
  const { stream } = start({ write: (_chunk, _encoding, done) => waiting.push(done) });
  const before = acceptedMark(stream);
  stream.write('one');
  stream.write('four');
  expect(acceptedMark(stream)).toBe(before);
  waiting.shift()?.();
  await turns();
  expect(acceptedMark(stream)).toBe(before + 3);
});

test('the carrier of a socket of a derived class is that socket', () => {
  class Derived extends Socket {}
  const socket = new Derived();
  expect(carrierOf(tame(socket))).toBe(socket);
});
