import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PayloadTap } from '../../src/frames/payload-tap.js';
import { frame } from '../support/raw-client.js';

/** Every length form, and control frames in between. */
const FRAMES = fc.array(
  fc.record({
    opcode: fc.constantFrom(0, 1, 2, 9, 10),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 120 }),
      fc.integer({ min: 120, max: 300 }).map((size) => new Uint8Array(size).fill(size)),
      fc.constantFrom(65_535, 65_536, 70_000).map((size) => new Uint8Array(size).fill(7)),
    ),
  }),
  { maxLength: 8 },
);

const serverFrame = (opcode: number, payload: Buffer) => frame(opcode, payload, { mask: null });

test.each(['client', 'server'] as const)(
  'the tap reads the payload of the data frames of the %s, however the bytes are cut',
  (from) => {
    fc.assert(
      fc.property(FRAMES, fc.infiniteStream(fc.integer({ min: 1, max: 5000 })), (frames, sizes) => {
        const small = frames.map(({ opcode, payload }) => ({
          opcode,
          payload: Buffer.from(opcode > 2 ? payload.subarray(0, 125) : payload),
        }));
        const encode = from === 'client' ? frame : serverFrame;
        const bytes = Buffer.concat(small.map(({ opcode, payload }) => encode(opcode, payload)));
        const before = Buffer.from(bytes);
        const seen: Buffer[] = [];
        const tap = new PayloadTap(from, (payload) => seen.push(Buffer.from(payload)));
        for (let at = 0; at < bytes.length;) {
          const size = sizes.next().value as number;
          tap.read(bytes.subarray(at, at + size));
          at += size;
        }
        const data = small.filter(({ opcode }) => opcode <= 2).map(({ payload }) => payload);
        expect(Buffer.concat(seen).equals(Buffer.concat(data))).toBe(true);
        // The bytes themselves pass on unchanged.
        expect(bytes.equals(before)).toBe(true);
      }),
      { numRuns: 200 },
    );
  },
);

test('after a Close or an invalid frame, the tap reads no payload', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(
        [0x88, 0],
        [0xc2, 0],
        [0x83, 0],
        [0x82, 0x80],
        [0x82, 127, 255, 255, 255, 255, 0, 0, 0, 0],
      ),
      fc.uint8Array({ maxLength: 3000 }),
      (wrong, rest) => {
        const seen: string[] = [];
        const tap = new PayloadTap('server', (payload) => seen.push(payload.toString()));
        tap.read(Buffer.concat([serverFrame(2, Buffer.from('good')), Buffer.from(wrong), rest]));
        tap.read(serverFrame(2, Buffer.from('late')));
        expect(seen).toEqual(['good']);
      },
    ),
  );
});
