import { expect, test } from 'vitest';
import { release, releaseAfter } from '../../../src/streams/release.js';

test('a chunk that fills its buffer is freed', () => {
  const chunk = Buffer.allocUnsafeSlow(65_536);
  const { arrayBuffers } = process.memoryUsage();
  release(chunk);
  expect(chunk.length).toBe(0);
  expect(process.memoryUsage().arrayBuffers).toBeLessThanOrEqual(arrayBuffers - 65_536);
});

test('a part of a larger buffer is not freed', () => {
  const whole = Buffer.allocUnsafeSlow(65_536).fill('x');
  for (const part of [whole.subarray(0, 65_535), whole.subarray(1), whole.subarray(100, 40_000)]) {
    const { length } = part;
    release(part);
    expect(part.length).toBe(length);
  }
  expect(whole.length).toBe(65_536);
  const pooled = Buffer.from('small');
  release(pooled);
  expect(pooled.toString()).toBe('small');
});

test('a small chunk is left to the garbage collector', () => {
  const chunk = Buffer.allocUnsafeSlow(1000).fill('x');
  release(chunk);
  expect(chunk.length).toBe(1000);
});

test('a failed write frees nothing', () => {
  const chunk = Buffer.allocUnsafeSlow(65_536);
  releaseAfter(chunk)(new Error('reset'));
  expect(chunk.length).toBe(65_536);
  releaseAfter(chunk)(null);
  expect(chunk.length).toBe(0);
});
