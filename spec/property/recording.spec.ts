import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordingDecoder } from '../../src/record/format/decoder.js';
import { RecordingEncoder } from '../../src/record/format/encoder.js';
import { MAX_METADATA, MAX_RECORD, RECORD_HEAD, type Direction } from '../../src/record/format/layout.js';

interface Step {
  direction: Direction;
  ms: number;
  bytes: Uint8Array;
}

const steps = fc.array(
  fc.record({
    direction: fc.constantFrom<Direction>('out', 'in'),
    ms: fc.nat(100_000),
    bytes: fc.uint8Array({ maxLength: 60 }),
  }),
  { maxLength: 12 },
);

const tunnel = fc.record({
  id: fc.string(),
  url: fc.string({ unit: 'binary' }),
  address: fc.string(),
  user: fc.string({ unit: 'binary', maxLength: 2000 }),
  backend: fc.string(),
});

type Tunnel = typeof tunnel extends fc.Arbitrary<infer T> ? T : never;

/** A whole recording, and the offset at which each record ends. */
function encode(about: Tunnel, all: readonly Step[]) {
  const encoder = new RecordingEncoder();
  const parts = [encoder.header({ start: 1, direction: 'both', tunnel: about })];
  const ends: number[] = [];
  for (const { direction, ms, bytes } of all) {
    const head = Buffer.alloc(RECORD_HEAD);
    encoder.head(head, 0, direction, ms, bytes.length);
    parts.push(head, Buffer.from(bytes));
    ends.push(encoder.size);
  }
  parts.push(encoder.finish(0));
  return { file: Buffer.concat(parts), ends };
}

test('a recording cut at any byte gives every whole record before the cut', () => {
  fc.assert(
    fc.property(tunnel, steps, (about, all) => {
      const { file, ends } = encode(about, all);
      // One decoder that gets the bytes one by one has seen each possible cut.
      const decoder = new RecordingDecoder();
      const read = [];
      for (let cut = 1; cut <= file.length; cut++) {
        read.push(...decoder.push(file.subarray(cut - 1, cut)));
        expect(decoder.failure).toBeUndefined();
        expect(read.length).toBe(ends.filter((end) => end <= cut).length);
        expect(decoder.isComplete).toBe(cut === file.length);
      }
      expect(read.map(({ direction, bytes }) => [direction, bytes.toString('hex')])).toEqual(
        all.map(({ direction, bytes }) => [direction, Buffer.from(bytes).toString('hex')]),
      );
    }),
    { numRuns: 100 },
  );
});

test('a recording cut at any byte and read in pieces of any size gives the same records', () => {
  fc.assert(
    fc.property(tunnel, steps, fc.nat(), fc.integer({ min: 1, max: 300 }), (about, all, place, size) => {
      const { file, ends } = encode(about, all);
      const cut = place % (file.length + 1);
      const decoder = new RecordingDecoder();
      const read = [];
      for (let at = 0; at < cut; at += size)
        read.push(...decoder.push(file.subarray(at, Math.min(cut, at + size))));
      expect(decoder.failure).toBeUndefined();
      expect(read.length).toBe(ends.filter((end) => end <= cut).length);
    }),
    { numRuns: 500 },
  );
});

test('times of a recording never decrease, whatever the clock of the recorder does', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const about = { id: '1', url: '/', address: '::1', user: 'ann', backend: 'b' };
      const times = new RecordingDecoder().push(encode(about, all).file).map(({ ms }) => ms);
      expect(times).toEqual([...times].sort((a, b) => a - b));
    }),
  );
});

test('the decoder never throws, and never needs more memory than one record', () => {
  const about = { id: '1', url: '/', address: '::1', user: 'ann', backend: 'b' };
  const noise = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(steps, noise, fc.uint8Array({ maxLength: 400 }), (all, wrong, tail) => {
      const { file } = encode(about, all);
      for (const { at, byte } of wrong) file[at % file.length] = byte;
      const decoder = new RecordingDecoder();
      decoder.push(file);
      decoder.push(Buffer.from(tail));
      expect(decoder.rest).toBeLessThanOrEqual(Math.max(MAX_METADATA, MAX_RECORD) + 16);
    }),
    { numRuns: 1000 },
  );
});

test('bytes that are not a recording fail at the header', () => {
  const decoder = new RecordingDecoder();
  decoder.push(Buffer.from('var VNC_frame_data = ['));
  expect(decoder.failure).toBe('not a recording of express-wstunnel');
});

test.each([
  ['header', 12, 'the header is too long'],
  ['record', -1, 'a record is too long'],
])('a length of 4 GiB in a %s is refused before any memory is taken', (_what, place, message) => {
  const about = { id: '1', url: '/', address: '::1', user: 'ann', backend: 'b' };
  const { file, ends } = encode(about, [{ direction: 'out', ms: 1, bytes: Buffer.from('abc') }]);
  const at = place === -1 ? (ends[0] ?? 0) - 3 - 4 : place;
  file.writeUInt32BE(2 ** 32 - 1, at);
  const decoder = new RecordingDecoder();
  expect(decoder.push(file)).toEqual([]);
  expect(decoder.failure).toContain(message);
  expect(decoder.rest).toBe(0);
});
