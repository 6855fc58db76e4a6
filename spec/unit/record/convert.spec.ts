import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { convertRecording, RecordingReader, type RecordingFormat } from '../../../src/record/index.js';
import { writeRecording, type Step } from './recorded.js';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'convert-'));
  path = join(folder, 'x.wsrec');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function converted(format: RecordingFormat, steps?: readonly Step[]): Promise<Buffer> {
  if (steps) writeRecording(path, steps);
  const reader = await RecordingReader.open(path);
  const parts = [];
  for await (const part of convertRecording(reader, format)) parts.push(Buffer.from(part as string));
  await reader.close();
  return Buffer.concat(parts);
}

const STEPS: readonly Step[] = [
  ['out', 0, 'RFB 003.008\n'],
  ['in', 7, 'key'],
  ['out', 1500, Buffer.from([0, 1, 2, 255, 39])],
];

test('novnc is a script that gives frames, encoding and EOF', async () => {
  const scope: { VNC_frame_data?: string[]; VNC_frame_encoding?: string } = {};
  runInNewContext((await converted('novnc', STEPS)).toString(), scope);
  expect(scope.VNC_frame_encoding).toBe('base64');
  expect([...scope.VNC_frame_data!]).toEqual([
    `{0{${Buffer.from('RFB 003.008\n').toString('base64')}`,
    '}7}a2V5',
    '{1500{AAEC/yc=',
    'EOF',
  ]);
});

test('fbs has padded blocks of the bytes to the client', async () => {
  const fbs = await converted('fbs', STEPS);
  expect(fbs.subarray(0, 12).toString()).toBe('FBS 001.000\n');
  let at = 12;
  const blocks = [];
  while (at < fbs.length) {
    const length = fbs.readUInt32BE(at);
    const padded = Math.ceil(length / 4) * 4;
    blocks.push([fbs.subarray(at + 4, at + 4 + length).toString('hex'), fbs.readUInt32BE(at + 4 + padded)]);
    at += 8 + padded;
  }
  expect(blocks).toEqual([
    [Buffer.from('RFB 003.008\n').toString('hex'), 0],
    ['000102ff27', 1500],
  ]);
});

test('asciicast has a header, and the seconds between events', async () => {
  const lines = (
    await converted('asciicast', [
      ['out', 250, '$ '],
      ['in', 1000, 'l'],
      ['out', 1250, 'ls'],
    ])
  )
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  expect(lines).toEqual([
    { version: 3, term: { cols: 80, rows: 24 }, timestamp: 1_700_000_000 },
    [0.25, 'o', '$ '],
    [0.75, 'i', 'l'],
    [0.25, 'o', 'ls'],
  ]);
});

test('asciicast has the size of the terminal that the caller gives', async () => {
  writeRecording(path, STEPS);
  const reader = await RecordingReader.open(path);
  const lines = convertRecording(reader, 'asciicast', { width: 132, height: 50 });
  expect(JSON.parse((await lines.next()).value as string)).toMatchObject({ term: { cols: 132, rows: 50 } });
  expect(() => convertRecording(reader, 'asciicast', { width: 0 })).toThrow('width');
  expect(() => convertRecording(reader, 'gif' as never)).toThrow('"asciicast"');
  await reader.close();
});

test('asciicast never cuts a character, however the bytes are split', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'grapheme', minLength: 1 }),
      fc.integer({ min: 1, max: 5 }),
      async (text, size) => {
        const bytes = Buffer.from(text);
        const steps: Step[] = [];
        for (let at = 0; at < bytes.length; at += size)
          steps.push(['out', at, bytes.subarray(at, at + size)]);
        const [, ...events] = (await converted('asciicast', steps)).toString().trim().split('\n');
        expect(events.map((line) => (JSON.parse(line) as string[])[2]).join('')).toBe(text);
      },
    ),
    { numRuns: 50 },
  );
});

test('raw is the bytes to the client', async () => {
  expect((await converted('raw', STEPS)).toString('latin1')).toBe("RFB 003.008\n\0\x01\x02\xff'");
});

test('a recording without an end is converted up to the cut', async () => {
  writeRecording(path, STEPS);
  const whole = readFileSync(path);
  writeFileSync(path, whole.subarray(0, whole.indexOf('RFB') + 14));
  expect((await converted('raw')).toString()).toBe('RFB 003.008\n');
});

test('a recording with invalid bytes is converted up to these bytes, and the reader reports a failure', async () => {
  writeRecording(path, STEPS);
  const whole = readFileSync(path);
  writeFileSync(path, whole.subarray(0, whole.indexOf('RFB') + 12));
  appendFileSync(path, Buffer.alloc(100));
  const reader = await RecordingReader.open(path);
  const read = [];
  for await (const { bytes } of reader.records()) read.push(bytes.toString());
  expect(read).toEqual(['RFB 003.008\n']);
  expect(reader.failure).toContain('unknown kind');
  expect(reader.summary).toBeUndefined();
  await reader.close();
});
