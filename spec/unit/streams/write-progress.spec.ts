import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { acceptedMark, WriteProgress } from '../../../src/streams/write-progress.js';

test('of a write of which the kernel has taken a part, that part is seen', () => {
  const handle = { bytesWritten: 1000, writeQueueSize: 1000 };
  const socket = Object.defineProperty(new Socket(), '_handle', { value: handle });
  const mark = acceptedMark(socket);
  expect(acceptedMark(socket)).toBe(mark);
  handle.writeQueueSize = 400;
  expect(acceptedMark(socket) - mark).toBe(600);
});

test('what waits moves as it is taken, its last part too, and not as more is added to it', () => {
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

test('what is taken at once has not waited', () => {
  const stream = Object.assign(new Duplex({ read: () => undefined }), { bytesAccepted: 0 });
  const progress = new WriteProgress(stream);
  stream.bytesAccepted = 10;
  expect(progress.sample(0)).toBe(false);
});
