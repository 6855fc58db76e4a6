import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutInto, decodeFrom } from '../support/decoding.js';
import { followAll, framesIn } from '../support/following.js';
import { chunkSizes, payloadOf, sentByWs, steps } from './oracle.js';

const close = fc.option(
  fc.record({
    code: fc.constantFrom(1000, 1001, 1011, 3000, 4999),
    reason: fc.string({ unit: 'binary', maxLength: 30 }),
  }),
  { nil: undefined },
);
const sender = fc.constantFrom('client', 'server');

test('frames that ws sends pass unchanged up to the Close, however they are split', () => {
  fc.assert(
    fc.property(steps, close, chunkSizes, sender, (all, end, sizes, from) => {
      const stream = sentByWs(all, end, from === 'client');
      const chunks = cutInto(Buffer.concat([stream, Buffer.from(end ? 'after the Close' : '')]), sizes);
      const { passed, payload, closed, failure, missing } = followAll(from, chunks);
      expect(failure).toBeUndefined();
      expect(passed.equals(stream)).toBe(true);
      expect(missing).toBe(0);
      expect(payload).toBe(payloadOf(all).length);
      expect(closed).toEqual(end);
    }),
    { numRuns: 1000 },
  );
});

test('after each chunk the passed bytes end at a frame boundary, or inside payload of a known rest', () => {
  fc.assert(
    fc.property(steps, chunkSizes, sender, fc.nat(), (all, sizes, from, cut) => {
      const stream = sentByWs(all, undefined, from === 'client');
      const cutOff = stream.subarray(0, cut % (stream.length + 1));
      const { passed, missing } = followAll(from, cutInto(cutOff, sizes));
      const { ends } = framesIn(stream);
      const next = ends.find((end) => end >= passed.length)!;
      expect(passed.equals(stream.subarray(0, passed.length))).toBe(true);
      expect(missing).toBe(next - passed.length);
      // Held back: less than a header or a control frame.
      expect(cutOff.length - passed.length).toBeLessThanOrEqual(131);
    }),
    { numRuns: 1000 },
  );
});

test('follower and decoder agree on streams with wrong bytes', () => {
  const spoiled = fc.record({
    all: fc.array(steps, { maxLength: 3 }).map((lists) => lists.flat().slice(0, 4)),
    end: close,
    wrong: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 2 }),
    sizes: chunkSizes,
    from: sender,
  });
  let refused = 0;
  fc.assert(
    fc.property(spoiled, ({ all, end, wrong, sizes, from }) => {
      const stream = sentByWs(all, end, from === 'client');
      for (const [at, flip] of wrong) {
        const place = at % 2 ? at % 3 : at % Math.max(1, stream.length);
        stream[place] = (stream[place] ?? 0) ^ flip;
      }
      const chunks = cutInto(stream, sizes);
      const decoded = decodeFrom(from, chunks);
      const followed = followAll(from, chunks);
      // Text is not checked: it may be compressed.
      if (decoded.failure?.cause === 'not-utf8' && !decoded.failure.reason.includes('close')) return;
      if (decoded.failure) refused++;
      expect(followed.failure).toEqual(decoded.failure);
      expect(followed.payload).toBe(decoded.payload.length);
      const last = decoded.events.at(-1);
      expect(followed.closed && `close ${followed.closed.code} ${followed.closed.reason}`).toBe(
        last?.startsWith('close') ? last : undefined,
      );
      expect(followed.passed.equals(stream.subarray(0, followed.passed.length))).toBe(true);
    }),
    { numRuns: 1500 },
  );
  expect(refused).toBeGreaterThan(100);
});

test('removed PONGs leave all other bytes unchanged, however the stream is split', () => {
  fc.assert(
    fc.property(steps, fc.nat(), chunkSizes, (all, place, sizes) => {
      const own = Buffer.from('own PING');
      const at = place % (all.length + 1);
      const pong = { kind: 'pong', payload: own } as const;
      const parts = [all.slice(0, at), [pong, pong], all.slice(at), [pong]];
      const streams = parts.map((part) => sentByWs(part));
      const { passed, payload, missing } = followAll('client', cutInto(Buffer.concat(streams), sizes), {
        removesPong: (bytes) => bytes.equals(own),
      });
      expect(passed.equals(Buffer.concat([streams[0]!, streams[2]!]))).toBe(true);
      expect(payload).toBe(payloadOf(all).length);
      expect(missing).toBe(0);
    }),
    { numRuns: 500 },
  );
});

test('arbitrary bytes cause no throw, and the same result however they are split', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200, size: 'max' }), chunkSizes, sender, (array, sizes, from) => {
      const bytes = Buffer.from(array);
      const whole = followAll(from, [bytes], { hasExtensions: true });
      const split = followAll(from, cutInto(bytes, sizes), { hasExtensions: true });
      expect(split).toEqual(whole);
    }),
    { numRuns: 3000 },
  );
});
