import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import loadWabt from 'wabt';
import { WORTHWHILE } from '../../../src/frames/mask.js';
import { SIMD_MODULE } from '../../../src/frames/simd-module.js';
import { simd } from '../../../src/frames/simd.js';
import { cutInto, decodeAll } from '../../support/decoding.js';
import { frame } from '../../support/raw-client.js';

test('the module is the compiled simd.wat', async () => {
  const source = readFileSync(new URL('../../../src/frames/simd.wat', import.meta.url), 'utf8');
  const wabt = await loadWabt();
  const { buffer } = wabt.parseWat('simd.wat', source, { simd: true }).toBinary({});
  expect(Buffer.from(buffer).toString('base64')).toBe(SIMD_MODULE);
  expect(simd).toBeDefined();
});

const payload = fc
  .tuple(
    fc.constantFrom(0, 1, 15, 16, 17, 64, 125, 126, 127, 1000, 1024, 30_000, 65_535, 65_536),
    fc.nat(255),
  )
  .map(([length, seed]) => Buffer.from(Array.from({ length }, (_, at) => at * 7 + seed)));
const binary = payload.map((bytes) => frame(2, bytes));
const other = fc.constantFrom(
  frame(9, 'ping'),
  frame(1, 'text'),
  Buffer.concat([frame(2, 'begun', { final: false }), frame(0, ' and ended')]),
);
const wrong = fc.constantFrom(
  // A length not in the shortest form; no mask; reserved bits; a continuation without a first frame.
  Buffer.from([0x82, 0xfe, 0, 125, 1, 2, 3, 4, ...Buffer.alloc(125)]),
  Buffer.from([0x82, 0x03, 1, 2, 3]),
  Buffer.from([0xc2, 0x83, 1, 2, 3, 4, 1, 2, 3]),
  frame(0, 'nothing'),
);

test('whole chunks are decoded like short pieces without SIMD', () => {
  const often = fc.oneof({ arbitrary: binary, weight: 8 }, other);
  const stream = fc
    .tuple(fc.array(often, { minLength: 1, maxLength: 12 }), fc.option(wrong))
    .map(([frames, last]) => Buffer.concat([...frames, ...(last ? [last, frame(2, 'unread')] : [])]));
  const sizes = fc.array(fc.integer({ min: WORTHWHILE, max: 200_000 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(stream, sizes, (bytes, large) => {
      const small = decodeAll(...cutInto(bytes, [WORTHWHILE - 1], Infinity));
      const whole = decodeAll(...cutInto(bytes, large));
      expect(whole.payload.equals(small.payload)).toBe(true);
      expect({ ...whole, payload: 0 }).toEqual({ ...small, payload: 0 });
    }),
    { numRuns: 300 },
  );
});

test('bytes before and after the payloads stay unchanged', () => {
  const bytes = Buffer.concat([
    Buffer.from('before'),
    frame(2, Buffer.alloc(300, 7)),
    Buffer.alloc(40, 0x55),
  ]);
  simd?.frames(bytes, 6, 6);
  expect(bytes.toString('latin1', 0, 6)).toBe('before');
  expect(bytes.subarray(6, 306)).toEqual(Buffer.alloc(300, 7));
  expect(bytes.subarray(-40)).toEqual(Buffer.alloc(40, 0x55));
});

test.each([0, 1, 125, 126, 127, 1000, 65_535])(
  'after whole frames an incomplete one of %d bytes is left in place',
  (length) => {
    if (!simd) throw new Error('no WebAssembly');
    const whole = frame(2, 'x'.repeat(300));
    const last = frame(2, Buffer.alloc(length, 'y'));
    const next = Buffer.concat([whole, last]).subarray(0, 65_536);
    // A chunk of another connection leaves bytes in the memory. These bytes would complete the last frame.
    simd.frames(Buffer.concat([whole, last, Buffer.alloc(64, 'z')]), 0, 0);
    for (const missing of [1, 2, 3, 4, 5, last.length - 1, last.length]) {
      const end = whole.length + last.length - missing;
      if (end > next.length || end < whole.length) continue;
      expect(simd.frames(Buffer.from(next.subarray(0, end)), 0, 0)).toBe(whole.length);
      expect(simd.out).toBe(300);
    }
  },
);

test('tiny frames between others are copied a bounded number of times', () => {
  const pair = Buffer.concat([frame(2, 'x'), frame(1)]);
  const chunk = Buffer.concat(Array.from({ length: 5000 }, () => pair));
  if (!simd) throw new Error('no WebAssembly');
  const frames = vi.spyOn(simd, 'frames');
  onTestFinished(() => frames.mockRestore());
  expect(decodeAll(chunk).payload.toString()).toBe('x'.repeat(5000));
  expect(frames.mock.calls.length).toBeLessThan(32);
  frames.mockClear();
  // A run of small frames without empty ones is still decoded in one call.
  decodeAll(Buffer.concat(Array.from({ length: 1000 }, () => frame(2, 'x'.repeat(50)))));
  expect(frames.mock.calls.length).toBeLessThan(3);
  expect(frames).toHaveBeenCalled();
});

test('without WebAssembly the JavaScript loops decode', () => {
  const script = `
    import { FrameDecoder } from '${new URL('../../../dist/frames/decoder.js', import.meta.url).href}';
    import { simd } from '${new URL('../../../dist/frames/simd.js', import.meta.url).href}';
    const decoder = new FrameDecoder({ ping() {}, pong() {}, close() {} });
    const payload = decoder.decode(Buffer.from('${frame(2, 'a'.repeat(1000)).toString('hex')}', 'hex'));
    console.log(simd === undefined, payload.equals(Buffer.from('a'.repeat(1000))));`;
  const args = ['--jitless', '--input-type=module', '--eval', script];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe('true true\n');
});
