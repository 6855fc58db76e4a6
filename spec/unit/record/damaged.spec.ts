import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RecordingReader } from '../../../src/record/file/recording-reader.js';
import { RecordingDecoder } from '../../../src/record/format/decoder.js';
import { END_SIZE, HEADER_SIZE, INDEX_ENTRY, RECORD_HEAD } from '../../../src/record/format/layout.js';
import { onCleanup } from '../../support/cleanup.js';
import { files } from '../../support/command.js';
import { recordingOf } from './recorded.js';

const WHOLE = recordingOf([
  ['out', 5, 'one'],
  ['in', 9, 'two'],
]);
const FIRST = HEADER_SIZE + WHOLE.readUInt32BE(HEADER_SIZE - 4);
const SECOND = FIRST + RECORD_HEAD + 3;
const INDEX = SECOND + RECORD_HEAD + 3;

/** The recording with another header. */
function withHeader(value: unknown): Buffer {
  const json = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  const head = Buffer.from(WHOLE.subarray(0, HEADER_SIZE));
  head.writeUInt32BE(json.length, HEADER_SIZE - 4);
  return Buffer.concat([head, json, WHOLE.subarray(FIRST)]);
}

/** The recording with another index record. */
function withIndex(bytes: Buffer): Buffer {
  const head = Buffer.from(WHOLE.subarray(INDEX, INDEX + RECORD_HEAD));
  head.writeUInt32BE(bytes.length, 8);
  return Buffer.concat([WHOLE.subarray(0, INDEX), head, bytes, WHOLE.subarray(-END_SIZE)]);
}

function indexOf(value: unknown, rest = Buffer.alloc(0)): Buffer {
  const json = Buffer.from(JSON.stringify(value));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json, rest]);
}

/** A copy with some bytes changed. */
function changed(change: (copy: Buffer) => unknown): Buffer {
  const copy = Buffer.from(WHOLE);
  change(copy);
  return copy;
}

const ABOUT = { start: 1, direction: 'both', tunnel: { id: '1', url: '/', address: '::1', backend: 'b' } };
const COUNTS = { duration: 9, bytesOut: 3, bytesIn: 3 };

test.each<[string, Buffer, number, string]>([
  ['another version', changed((copy) => (copy[8] = 2)), 0, 'a recording of version 2: use a newer'],
  ['a header of no JSON', withHeader('{'), 0, 'the header is not valid JSON'],
  ['a header of a number', withHeader(5), 0, 'the header is not valid JSON'],
  ['a header without a tunnel', withHeader({ ...ABOUT, tunnel: undefined }), 0, 'the header is not valid'],
  [
    'a tunnel without an id',
    withHeader({ ...ABOUT, tunnel: { ...ABOUT.tunnel, id: 1 } }),
    0,
    'header is not',
  ],
  [
    'a tunnel without a backend',
    withHeader({ ...ABOUT, tunnel: { id: '', url: '', address: '' } }),
    0,
    'header',
  ],
  ['a negative start', withHeader({ ...ABOUT, start: -1 }), 0, 'the header is not valid JSON'],
  ['an unknown direction', withHeader({ ...ABOUT, direction: 'in' }), 0, 'the header is not valid JSON'],
  ['a record of an unknown kind', changed((copy) => (copy[SECOND] = 0x7a)), 1, 'a record of an unknown kind'],
  ['a record that goes back', changed((copy) => copy.writeUIntBE(4, SECOND + 2, 6)), 1, 'is earlier than'],
  ['an index of three bytes', withIndex(Buffer.alloc(3)), 2, 'the index is invalid'],
  [
    'an index with a longer JSON than itself',
    withIndex(Buffer.from([0, 0, 0, 9])),
    2,
    'the index is invalid',
  ],
  [
    'an index with a partial entry',
    withIndex(indexOf(COUNTS, Buffer.alloc(INDEX_ENTRY - 1))),
    2,
    'the index',
  ],
  ['an index of an array', withIndex(indexOf([])), 2, 'the index is invalid'],
  ['an index of null', withIndex(indexOf(null)), 2, 'the index is invalid'],
  ['an index without bytes', withIndex(indexOf({ ...COUNTS, bytesIn: 'x' })), 2, 'the index is invalid'],
  ['another end', changed((copy) => (copy[copy.length - 1] = 0)), 2, 'the end is invalid'],
])('%s stops the decoder, and the earlier records are kept', (_what, file, records, reason) => {
  const decoder = new RecordingDecoder();
  expect(decoder.push(file)).toHaveLength(records);
  expect(decoder.failure).toContain(reason);
  expect(decoder.isComplete).toBe(false);
  // One byte at a time, the reason is the same.
  const slow = new RecordingDecoder();
  const read = Array.from(file, (byte) => slow.push(Buffer.of(byte))).flat();
  expect([read.length, slow.failure]).toEqual([records, decoder.failure]);
});

const entryAt = (offset: number) => {
  const entry = Buffer.alloc(INDEX_ENTRY);
  entry.writeUIntBE(offset, 6, 6);
  return entry;
};

test.each<[string, Buffer]>([
  ['no end', WHOLE.subarray(0, INDEX)],
  ['a header and nothing else', WHOLE.subarray(0, FIRST)],
  ['an end that points behind itself', changed((copy) => copy.writeUIntBE(copy.length, copy.length - 14, 6))],
  [
    'an end that points far to the front',
    Buffer.concat([WHOLE.subarray(0, INDEX), Buffer.alloc(70_000), WHOLE.subarray(-END_SIZE)]),
  ],
  [
    'an end that points to a record of data',
    changed((copy) => copy.writeUIntBE(SECOND, copy.length - 14, 6)),
  ],
  ['an entry that points behind the index', withIndex(indexOf(COUNTS, entryAt(INDEX)))],
  ['an invalid index', withIndex(indexOf([]))],
])('a file with %s is opened without its index, and has all records from the start', async (_what, bytes) => {
  const { folder = '' } = await files({});
  const path = join(folder, 'a.wsrec');
  await writeFile(path, bytes);
  const reader = await RecordingReader.open(path);
  onCleanup(() => reader.close());
  expect(reader.summary).toBeUndefined();
  const texts: string[] = [];
  // Only a seek uses the index.
  for await (const { bytes: record } of reader.records(9)) texts.push(record.toString());
  expect(texts).toEqual(bytes.length === FIRST ? [] : ['one', 'two']);
});

test('a file with a valid index has a summary', async () => {
  const { folder = '' } = await files({});
  const path = join(folder, 'a.wsrec');
  await writeFile(path, WHOLE);
  const reader = await RecordingReader.open(path);
  onCleanup(() => reader.close());
  expect(reader.summary).toMatchObject({ bytesOut: 3, bytesIn: 3 });
});

test('a file that is cut within its header is refused, with the reason', async () => {
  const { folder = '' } = await files({});
  const path = join(folder, 'a.wsrec');
  await writeFile(path, WHOLE.subarray(0, FIRST - 1));
  await expect(RecordingReader.open(path)).rejects.toThrow(/can't be read: the file ends inside the header/);
});
