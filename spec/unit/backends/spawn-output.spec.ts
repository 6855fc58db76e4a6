import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readOutput } from '../../../src/backends/spawn/output.js';

let stream: PassThrough;
let lines: string[];
let stop: () => void;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  stream = new PassThrough({ highWaterMark: 64 * 1024 * 1024 });
  lines = [];
  stop = readOutput(stream, (line) => lines.push(line));
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

/** Written output is read within the next two event-loop turns. */
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

async function print(...chunks: (string | Buffer)[]): Promise<void> {
  for (const chunk of chunks) {
    stream.write(chunk);
    await turn();
  }
}

test('splits lines however the chunks are split, and drops empty ones', async () => {
  const euro = Buffer.from('€');
  await print('one\ntw', 'o\n\n\nthr', euro.subarray(0, 1), euro.subarray(1), 'ee\nrest');
  expect(lines).toEqual(['one', 'two', 'thr€ee']);
  stream.end();
  await turn();
  expect(lines.at(-1)).toBe('rest');
});

test('cuts a line at 1000 characters and drops its rest', async () => {
  await print('a'.repeat(600), 'a'.repeat(600), 'a'.repeat(5000), 'a\nnext\n', `${'b'.repeat(3000)}\nc\n`);
  expect(lines).toEqual(['a'.repeat(1000), 'next', 'b'.repeat(1000), 'c']);
});

test('logs a hundred lines per second and counts the others', async () => {
  await print('x\n'.repeat(150));
  expect(lines).toHaveLength(100);
  vi.advanceTimersByTime(1000);
  expect(lines.slice(100)).toEqual(['(50 lines left out)']);
  await print('y\n');
  expect(lines.at(-1)).toBe('y');
});

test('reads a mebibyte per second, then lets the program wait', async () => {
  const chunk = Buffer.alloc(256 * 1024, '-');
  for (let i = 0; i < 12; i++) stream.write(chunk);
  await turn();
  expect(stream.isPaused()).toBe(true);
  const left = stream.readableLength;
  expect(left).toBeGreaterThanOrEqual(6 * chunk.length);
  vi.advanceTimersByTime(999);
  await turn();
  expect(stream.readableLength).toBe(left);
  vi.advanceTimersByTime(1);
  await turn();
  expect(stream.readableLength).toBeLessThan(left);
});

test('leaves no timer or listener at the end', async () => {
  await print('x\n'.repeat(150), 'half');
  stop();
  expect(lines.slice(-1)).toEqual(['(51 lines left out)']);
  expect(vi.getTimerCount()).toBe(0);
  expect(stream.destroyed).toBe(true);
  expect(stream.listenerCount('data')).toBe(0);
});
