import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RecordingDecoder } from '../../../src/record/format/decoder.js';
import { END_SIZE, MAX_RECORD, RECORD_HEAD } from '../../../src/record/format/layout.js';
import { player, RecordingReader } from '../../../src/record/index.js';
import { recordingOf, type Step } from '../../unit/record/recorded.js';

/** Mutated recordings of one run. */
const ROUNDS = Number(process.env.FUZZ_RUNS ?? 3000);

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
  path = join(folder, 'x.wsrec');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const STEPS: readonly Step[] = Array.from({ length: 12 }, (_, i) => [
  i % 3 === 2 ? 'in' : 'out',
  i * 100,
  Buffer.alloc((i * 37) % 200, i),
]);

/** A generator of numbers that repeats itself. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Changes, removes, repeats or cuts some bytes. */
function mutate(bytes: Buffer, random: (below: number) => number): Buffer {
  let result = Buffer.from(bytes);
  for (let count = 1 + random(4); count > 0; count--) {
    const at = random(result.length + 1);
    switch (random(6)) {
      case 0:
        result[at] = random(256);
        break;
      case 1:
        result = result.subarray(0, at);
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + random(40))]);
        break;
      case 3:
        result = Buffer.concat([result.subarray(0, at), result.subarray(random(result.length + 1))]);
        break;
      case 4:
        if (at + 4 <= result.length) result.writeUInt32BE(random(2) ? 0xffffffff : random(2 ** 32), at);
        break;
      default:
        if (at + 6 <= result.length) result.writeUIntBE(random(2 ** 47), at, 6);
    }
  }
  return result;
}

test('no mutated recording makes the decoder throw, hold more than a record, or go back in time', () => {
  const whole = recordingOf(STEPS);
  const random = numbers(7);
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = mutate(whole, random);
    const decoder = new RecordingDecoder();
    let last = 0;
    for (let at = 0; at < bytes.length;) {
      const size = 1 + random(500);
      for (const { ms, bytes: part } of decoder.push(bytes.subarray(at, at + size))) {
        if (ms < last || part.length > MAX_RECORD)
          expect.fail(`round ${round}: ${ms} ms, ${part.length} bytes`);
        last = ms;
      }
      if (decoder.rest > RECORD_HEAD + MAX_RECORD)
        expect.fail(`round ${round}: ${decoder.rest} bytes in memory`);
      at += size;
    }
  }
});

test('a mutated recording opens, seeks and plays up to the damage, or says what is wrong', async () => {
  const whole = recordingOf(STEPS);
  const random = numbers(9);
  let read = 0;
  for (let round = 0; round < ROUNDS / 20; round++) {
    writeFileSync(path, mutate(whole, random));
    const reader = await RecordingReader.open(path).catch((error: unknown) => {
      expect((error as Error).message).toMatch(/can't be read: (not a|a recording|damaged|the file ends)/);
    });
    if (!reader) {
      expect(() => player(path)).toThrow('needs a recording');
      continue;
    }
    for await (const { bytes } of reader.records(random(1500))) read += bytes.length;
    expect(reader.failure ?? 'damaged: ').toMatch(/^damaged: /);
    await reader.close();
    const stream = await player(path, { speed: Infinity }).connect!();
    const ended = await new Promise((resolve) =>
      stream
        .resume()
        .once('error', resolve)
        .once('end', () => resolve(undefined)),
    );
    if (ended) expect(ended).toMatchObject({ message: expect.stringContaining('damaged') as string });
  }
  expect(read).toBeGreaterThan(0);
});

test('a recording that was cut at any byte gives all whole records before the cut', () => {
  const whole = recordingOf(STEPS);
  for (let size = 0; size < whole.length; size++) {
    const decoder = new RecordingDecoder();
    const records = decoder.push(whole.subarray(0, size));
    expect(decoder.failure).toBeUndefined();
    const expected = STEPS.slice(0, records.length).map(([, , data]) => Buffer.from(data as Buffer));
    expect(records.every(({ bytes }, i) => bytes.equals(expected[i]!))).toBe(true);
    expect(decoder.isComplete).toBe(false);
  }
  expect(new RecordingDecoder().push(whole)).toHaveLength(STEPS.length);
});

test('a length of 4 GiB needs no memory', () => {
  const bytes = recordingOf([['out', 0, 'x']]);
  bytes.writeUInt32BE(0xffffffff, bytes.indexOf('o\0\0\0\0\0\0\0', 16, 'latin1') + 8);
  const decoder = new RecordingDecoder();
  decoder.push(bytes);
  expect(decoder.failure).toBe('damaged: a record is too long');
});

test.each([0, 3, 16, 2 ** 40, 2 ** 48 - 1])('an index at the offset %d is not believed', async (offset) => {
  const bytes = recordingOf(STEPS);
  bytes.writeUIntBE(offset, bytes.length - END_SIZE + RECORD_HEAD + 2, 6);
  writeFileSync(path, bytes);
  const reader = await RecordingReader.open(path);
  expect(reader.summary).toBeUndefined();
  let count = 0;
  for await (const { bytes: part } of reader.records()) count += part.length >= 0 ? 1 : 0;
  expect(count).toBe(STEPS.length);
  await reader.close();
});

test('an endless file is no recording', async () => {
  await expect(RecordingReader.open('/dev/zero')).rejects.toThrow('not a recording');
  expect(() => player('/dev/zero')).toThrow('not a recording');
});

test('a recording of many empty records leaves the event loop free', async () => {
  writeFileSync(path, recordingOf(Array.from({ length: 300_000 }, () => ['in', 0, ''] as const)));
  const stream = await player(path).connect!();
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await new Promise((resolve) => stream.resume().once('end', resolve));
  clearInterval(timer);
  expect(turns).toBeGreaterThan(3);
});
