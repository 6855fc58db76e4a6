import fc from 'fast-check';
import { expect, test } from 'vitest';
import { closeFrame, controlFrame, maskedFrame } from '../../src/frames/encoder.js';
import { OPCODE } from '../../src/frames/opcodes.js';
import { cutInto, decodeFrom } from '../support/decoding.js';
import { bytesUpTo, chunkSizes, heardByWs, payloadOf, sentByWs, steps } from './oracle.js';

test('frames that ws sends as a server are decoded, however they are fragmented and split', () => {
  const close = { code: 1001, reason: 'über' };
  fc.assert(
    fc.property(steps, chunkSizes, (all, sizes) => {
      const { payload, failure, done, events } = decodeFrom(
        'server',
        cutInto(sentByWs(all, close, false), sizes),
      );
      expect(payload.equals(payloadOf(all))).toBe(true);
      expect(failure).toBeUndefined();
      expect(done).toBe(true);
      expect(events.at(-1)).toBe('close 1001 über');
    }),
    { numRuns: 500 },
  );
});

test('ws reads, as a server, the frames of our client', async () => {
  const payload = fc.oneof(
    bytesUpTo(400),
    fc.constantFrom(124, 125, 126, 127, 65535, 65536).map((length) => Buffer.alloc(length, 'edge')),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(payload, { maxLength: 8 }), chunkSizes, async (payloads, sizes) => {
      const stream = [
        ...payloads.map((bytes) => maskedFrame(OPCODE.binary, bytes)),
        controlFrame(OPCODE.ping, Buffer.from('p'), true),
        closeFrame(1000, 'bye', true),
      ];
      const heard = await heardByWs(cutInto(Buffer.concat(stream), sizes), true);
      expect(heard.failure).toBeUndefined();
      expect(heard.payload.equals(Buffer.concat(payloads))).toBe(true);
      expect(heard.events).toEqual(['ping p', 'close 1000 bye']);
    }),
    { numRuns: 200 },
  );
});
