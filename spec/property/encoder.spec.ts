import fc from 'fast-check';
import { expect, test } from 'vitest';
import { closeFrame, controlFrame, frameHeader } from '../../src/frames/encoder.js';
import { OPCODE } from '../../src/frames/opcodes.js';
import { cutInto } from '../support/decoding.js';
import { bytesUpTo, chunkSizes, heardByWs } from './oracle.js';

const data = fc.oneof(
  bytesUpTo(400),
  fc.integer({ min: 124, max: 128 }).map((length) => Buffer.alloc(length, 'edge')),
  fc.integer({ min: 65530, max: 65545 }).map((length) => Buffer.alloc(length, 'long')),
);

test('ws reads the frames of our encoder', async () => {
  const frame = fc.oneof(
    fc.record({ kind: fc.constant('binary' as const), payload: data }),
    fc.record({ kind: fc.constant('ping' as const), payload: bytesUpTo(125) }),
    fc.record({ kind: fc.constant('pong' as const), payload: bytesUpTo(125) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 10 }), chunkSizes, async (frames, sizes) => {
      const stream = frames.map(({ kind, payload }) =>
        kind === 'binary'
          ? Buffer.concat([frameHeader(OPCODE.binary, payload.length), payload])
          : controlFrame(OPCODE[kind], payload),
      );
      const heard = await heardByWs(cutInto(Buffer.concat(stream), sizes), false);
      expect(heard.failure).toBeUndefined();
      const sent = frames.filter(({ kind }) => kind === 'binary').map(({ payload }) => payload);
      expect(heard.payload.equals(Buffer.concat(sent))).toBe(true);
      const controls = frames.filter(({ kind }) => kind !== 'binary');
      expect(heard.events).toEqual(
        controls.map(({ kind, payload }) =>
          kind === 'pong' ? 'pong' : `ping ${Buffer.from(payload).toString('latin1')}`,
        ),
      );
    }),
    { numRuns: 200 },
  );
});

test('ws reads every Close of our encoder, with a reason cut between characters', async () => {
  const code = fc.oneof(
    fc.constantFrom(1000, 1001, 1002, 1007, 1008, 1009, 1011),
    fc.integer({ min: 3000, max: 4999 }),
  );
  const reason = fc.string({ unit: 'grapheme', maxLength: 80 });
  await fc.assert(
    fc.asyncProperty(code, reason, chunkSizes, async (status, why, sizes) => {
      const { failure, events } = await heardByWs(cutInto(closeFrame(status, why), sizes), false);
      expect(failure).toBeUndefined();
      expect(events).toHaveLength(1);
      const [, got = '', heard = ''] = /^close (\d+) ([^]*)$/.exec(events[0] ?? '') ?? [];
      expect(Number(got)).toBe(status);
      expect(why.startsWith(heard)).toBe(true);
      expect(Buffer.byteLength(heard)).toBeGreaterThanOrEqual(Math.min(Buffer.byteLength(why), 120));
    }),
    { numRuns: 200 },
  );
});
