import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { acceptedMark, WriteProgress } from '../../../src/streams/write-progress.js';

test('a partly accepted write counts its accepted part', () => {
  const handle = { bytesWritten: 1000, writeQueueSize: 1000 };
  const socket = Object.defineProperty(new Socket(), '_handle', { value: handle });
  const mark = acceptedMark(socket);
  expect(acceptedMark(socket)).toBe(mark);
  handle.writeQueueSize = 400;
  expect(acceptedMark(socket) - mark).toBe(600);
});

test('queued bytes make progress when they are accepted, also the last ones, and not when more are added', () => {
  const waiting: (() => void)[] = [];
  const stream = Object.assign(
    new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => waiting.push(done) }),
    { bytesAccepted: 0 },
  );
  const progress = new WriteProgress(stream);
  stream.write('one');
  expect(progress.sample(0)).toBe(false);
  stream.write('two');
  expect(progress.sample(0)).toBe(false);
  stream.bytesAccepted = 1;
  expect([progress.sample(0), progress.sample(0)]).toEqual([true, false]);
  stream.bytesAccepted = 6;
  waiting.shift()?.();
  waiting.shift()?.();
  expect([progress.sample(0), progress.sample(0)]).toEqual([true, false]);
});

test('bytes accepted at once were never queued', () => {
  const stream = Object.assign(new Duplex({ read: () => undefined }), { bytesAccepted: 0 });
  const progress = new WriteProgress(stream);
  stream.bytesAccepted = 10;
  expect(progress.sample(0)).toBe(false);
});
