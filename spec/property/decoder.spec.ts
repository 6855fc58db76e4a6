import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutInto, decodeAll } from '../support/decoding.js';
import { chunkSizes, heardByWs, payloadOf, sentByWs, steps } from './oracle.js';

const close = fc.option(
  fc.record({
    code: fc.constantFrom(1000, 1001, 1011, 3000, 4999),
    reason: fc.string({ unit: 'binary', maxLength: 30 }),
  }),
  { nil: undefined },
);

test('frames that ws sends are decoded, however they are split', () => {
  fc.assert(
    fc.property(steps, close, chunkSizes, (all, end, sizes) => {
      const { payload, events, failure, done } = decodeAll(...cutInto(sentByWs(all, end), sizes));
      expect(payload.equals(payloadOf(all))).toBe(true);
      expect(failure).toBeUndefined();
      expect(done).toBe(end !== undefined);
      const expected = all.flatMap((step) =>
        step.kind === 'pong'
          ? ['pong']
          : step.pings
              .slice(0, step.fragments.length)
              .map((ping) => `ping ${Buffer.from(ping).toString('latin1')}`),
      );
      if (end) expected.push(`close ${end.code} ${end.reason}`);
      expect(events).toEqual(expected);
    }),
    { numRuns: 1000 },
  );
});

// Failures that ws accepts or reports differently: lengths not in the shortest form or with the top bit, and text that
// fails before the end of a message.
const STRICTER = /shortest|2\^63|UTF-8|character/;

test('our decoder and ws agree on streams with wrong bytes', async () => {
  const spoiled = fc.record({
    all: fc.array(steps, { maxLength: 3 }).map((lists) => lists.flat().slice(0, 4)),
    end: close,
    wrong: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 2 }),
    sizes: chunkSizes,
  });
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(spoiled, async ({ all, end, wrong, sizes }) => {
      const stream = sentByWs(all, end);
      // Most of the wrong bytes go to the start of the stream, where a header is.
      for (const [at, flip] of wrong) {
        const place = at % 2 ? at % 3 : at % Math.max(1, stream.length);
        stream[place] = (stream[place] ?? 0) ^ flip;
      }
      const chunks = cutInto(stream, sizes);
      const ours = decodeAll(...chunks);
      const theirs = await heardByWs(chunks, true);
      if (theirs.failure !== undefined) refused++;
      if (ours.failure && STRICTER.test(ours.failure.reason)) return;
      expect(ours.failure?.code).toBe(theirs.failure);
      expect(ours.events).toEqual(theirs.events);
      // ws delivers no part of an unfinished message.
      expect(ours.payload.subarray(0, theirs.payload.length).equals(theirs.payload)).toBe(true);
    }),
    { numRuns: 1500 },
  );
  expect(refused).toBeGreaterThan(100);
});

test('arbitrary bytes cause no throw, and the same result however they are split', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200, size: 'max' }), chunkSizes, (array, sizes) => {
      const bytes = Buffer.from(array);
      const whole = decodeAll(bytes);
      const parts = decodeAll(...cutInto(bytes, sizes));
      expect({ failure: parts.failure, events: parts.events }).toEqual({
        failure: whole.failure,
        events: whole.events,
      });
      // Invalid text drops the bytes of that frame in the same chunk, so the payloads may differ.
      if (whole.failure?.code === 1007) return;
      expect(parts.payload.equals(whole.payload)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
