import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { Movement, takenMark } from '../../../src/streams/write-progress.js';

test('a partly accepted write counts its accepted part', () => {
  const handle = { bytesWritten: 1000, writeQueueSize: 1000 };
  const socket = Object.defineProperty(new Socket(), '_handle', { value: handle });
  const mark = takenMark(socket);
  expect(takenMark(socket)).toBe(mark);
  handle.writeQueueSize = 400;
  expect(takenMark(socket) - mark).toBe(600);
});

test('queued bytes make progress when they are accepted, also the last ones, and not when more are added', () => {
  const waiting: (() => void)[] = [];
  const stream = Object.assign(
    new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => waiting.push(done) }),
    { bytesTaken: 0 },
  );
  const movement = new Movement(stream);
  stream.write('one');
  expect(movement.look()).toBe(false);
  stream.write('two');
  expect(movement.look()).toBe(false);
  stream.bytesTaken = 1;
  expect([movement.look(), movement.look()]).toEqual([true, false]);
  stream.bytesTaken = 6;
  waiting.shift()?.();
  waiting.shift()?.();
  expect([movement.look(), movement.look()]).toEqual([true, false]);
});

test('bytes accepted at once were never queued', () => {
  const stream = Object.assign(new Duplex({ read: () => undefined }), { bytesTaken: 0 });
  const movement = new Movement(stream);
  stream.bytesTaken = 10;
  expect(movement.look()).toBe(false);
});
