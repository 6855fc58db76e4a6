import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutInto } from '../support/decoding.js';
import { passingPart } from '../support/rfb-oracle.js';
import { bytesOf, greeted, rfb } from '../support/rfb.js';
import { chunkSizes } from './oracle.js';

const encoding = fc.oneof(fc.constant(-316), fc.integer(), fc.constantFrom(7, -239, 0x04010000));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const byte = fc.integer({ min: 0, max: 255 });

/** Messages that do not depend on others: a PointerEvent is made for the encodings before it. */
const message = fc.oneof(
  fc.constantFrom(
    rfb.setPixelFormat(),
    rfb.updateRequest(),
    rfb.continuousUpdates(),
    rfb.key(),
    rfb.xvp(),
    rfb.qemuKey(),
    rfb.qemuAudio(0),
    rfb.qemuAudio(1),
    rfb.qemuAudio(2),
  ),
  fc.array(encoding, { maxLength: 50 }).map((all) => rfb.setEncodings(...all)),
  bytes(64).map((payload) => rfb.fence(payload)),
  bytes(200).map((text) => rfb.cutText(text.toString('latin1'))),
  bytes(100).map((body) => rfb.extendedCutText(bytesOf(Buffer.alloc(4), body))),
  fc.integer({ min: 0, max: 5 }).map((screens) => rfb.setDesktopSize(screens)),
  fc.tuple(byte, byte).map(([mask, high]) => ({ mask, high })),
);

/** The messages in order, with pointer events as a client sends them. */
function messagesOf(all: readonly (Buffer | { mask: number; high: number })[], passing: number): Buffer[] {
  let hasButtons = false;
  return all.map((one) => {
    if (!Buffer.isBuffer(one))
      return hasButtons && one.mask & 0x80 ? rfb.extendedPointer(one.mask, one.high) : rfb.pointer(one.mask);
    if (one[0] === 2) {
      hasButtons = false;
      for (let at = 4; at < Math.min(one.length, 4 + 4 * passing); at += 4)
        hasButtons ||= one.readInt32BE(at) === -316;
    }
    return one;
  });
}

const stream = fc.array(message, { maxLength: 30 });

test('of any messages, cut anywhere, exactly the ones that view pass', () => {
  fc.assert(
    fc.property(stream, chunkSizes, (all, sizes) => {
      const messages = messagesOf(all, 32);
      const run = greeted({ viewOnly: true });
      for (const chunk of cutInto(Buffer.concat(messages), sizes)) run.in(chunk);
      expect(run.endings).toEqual([]);
      expect(Buffer.concat(run.backend).equals(Buffer.concat(messages.map(passingPart)))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test('where only the input is watched, all messages pass, and an invalid one after them ends the tunnel', () => {
  fc.assert(
    fc.property(stream, chunkSizes, (all, sizes) => {
      const messages = Buffer.concat(messagesOf(all, 1024));
      const run = greeted({ watchesInput: true });
      for (const chunk of cutInto(messages, sizes)) run.in(chunk);
      expect(run.endings).toEqual([]);
      expect(Buffer.concat(run.backend).equals(messages)).toBe(true);
      // The filter is at the start of a message.
      run.in(Buffer.from([1]));
      expect(run.reason).toBe('unknown client message 1');
    }),
    { numRuns: 1000 },
  );
});
