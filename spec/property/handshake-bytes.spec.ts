import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HandshakeBytes, HandshakeCut } from '../../src/vnc/handshake-bytes.js';
import { cutInto } from '../support/decoding.js';
import { chunkSizes } from './oracle.js';

const never = new AbortController().signal;

/** A stream that gives these chunks, then ends. */
function streamOf(chunks: readonly Buffer[]): Duplex {
  const left = [...chunks];
  return new Duplex({
    read() {
      this.push(left.shift() ?? null);
    },
    write: (_chunk, _encoding, done) => done(),
    autoDestroy: false,
  });
}

test('exact reads give the bytes in order, however they are split, and the first read beyond the end rejects', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 400 }),
      chunkSizes,
      fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 40 }),
      async (sent, sizes, lengths) => {
        const all = Buffer.from(sent);
        const socket = streamOf(cutInto(all, sizes));
        const bytes = new HandshakeBytes(socket, never);
        let at = 0;
        for (const length of lengths) {
          if (at + length > all.length) {
            await expect(bytes.take(length)).rejects.toBeInstanceOf(HandshakeCut);
            break;
          }
          expect((await bytes.take(length)).equals(all.subarray(at, at + length))).toBe(true);
          at += length;
          expect(socket.isPaused()).toBe(true);
        }
        // Nothing is lost: the rest is unread here, or still in the stream.
        const unread = bytes.takeUnread(Infinity);
        bytes.leave();
        const rest: Buffer[] = [unread];
        if (!socket.readableEnded) for await (const chunk of socket) rest.push(chunk as Buffer);
        expect(Buffer.concat(rest).equals(all.subarray(at))).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});
