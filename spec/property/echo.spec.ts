import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutInto } from '../support/decoding.js';
import { chunkSizes, payloadOf, sentByWs, steps } from './oracle.js';
import { closeFrame, openRaw, type RawClient } from '../support/raw-client.js';
import { startTunnel } from '../support/servers.js';

/** Sends each piece in a separate packet, as far as loopback allows. */
async function sendPieces(client: RawClient, pieces: Buffer[]): Promise<void> {
  client.socket.setNoDelay(true);
  for (const piece of pieces) {
    client.send(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('an echo through the tunnel returns every byte, and each PING gets its PONG', async () => {
  const { port, tunnel } = await startTunnel();
  await fc.assert(
    fc.asyncProperty(steps, chunkSizes, async (all, sizes) => {
      const expected = payloadOf(all);
      const pings = all.flatMap((step) =>
        step.kind === 'message' ? step.pings.slice(0, step.fragments.length) : [],
      );
      const client = await openRaw(port);
      // One packet for each byte of a long stream would take long without testing more.
      await sendPieces(client, cutInto(sentByWs(all), sizes, 100));
      const got: Buffer[] = [];
      const pongs: Buffer[] = [];
      for (let have = 0; have < expected.length || pongs.length < pings.length;) {
        const frame = await client.frame();
        if (!frame) break;
        if (frame.opcode === 10) pongs.push(frame.payload);
        else {
          expect(frame).toMatchObject({ opcode: 2, final: true });
          got.push(frame.payload);
          have += frame.payload.length;
        }
      }
      expect(Buffer.concat(got).equals(expected)).toBe(true);
      expect(Buffer.concat(pongs).equals(Buffer.concat(pings))).toBe(true);
      const closed = once(tunnel, 'close');
      client.send(closeFrame(1000));
      expect(await client.close()).toEqual({ code: 1000, reason: '' });
      client.socket.destroy();
      await closed;
    }),
    { numRuns: 60 },
  );
  expect(tunnel.stats()).toMatchObject({ open: 0, backends: [{ load: 0 }] });
});

test('in text mode every frame is valid UTF-8, and the text arrives whole', async () => {
  const { port } = await startTunnel({ frameType: 'text' });
  const text = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 400 })
    .map((string) => Buffer.from(string));
  await fc.assert(
    fc.asyncProperty(text, chunkSizes, async (whole, sizes) => {
      const client = await openRaw(port);
      const fragments = cutInto(whole, sizes);
      const stream = sentByWs([{ kind: 'message', text: true, fragments, pings: [] }]);
      await sendPieces(client, cutInto(stream, [...sizes, 30]));
      const got: Buffer[] = [];
      for (let have = 0; have < whole.length;) {
        const frame = await client.frame();
        if (!frame) break;
        expect(frame.opcode).toBe(1);
        expect(isUtf8(frame.payload)).toBe(true);
        expect(frame.payload.length).toBeGreaterThan(0);
        got.push(frame.payload);
        have += frame.payload.length;
      }
      expect(Buffer.concat(got).equals(whole)).toBe(true);
      client.socket.destroy();
    }),
    { numRuns: 60 },
  );
});
