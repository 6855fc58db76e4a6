import type { IncomingMessage } from 'node:http';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { fileRecorder, type FileRecorderOptions } from '../../../src/record/file-recorder.js';
import { RecordingDecoder } from '../../../src/record/format/decoder.js';
import { RecordingReader } from '../../../src/record/file/recording-reader.js';
import type { TunnelInfo } from '../../../src/types.js';

const req = {} as IncomingMessage;
const info: TunnelInfo = {
  id: '12345678-aaaa',
  url: '/vnc',
  address: '::1',
  user: 'ann',
  backend: 'localhost:5900',
  since: 0,
  bytesIn: 0,
  bytesOut: 0,
};

let folder: string;
let warnings: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'recorder-'));
  warnings = [];
  vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)));
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

function record(options: Partial<FileRecorderOptions> = {}, about = info) {
  return fileRecorder({ folder, ...options })(about, req)!;
}

async function finished(count = 1): Promise<string[]> {
  await vi.waitFor(
    () => {
      const names = readdirSync(folder);
      expect(names.filter((name) => name.endsWith('.wsrec'))).toHaveLength(count);
      expect(names.filter((name) => name.endsWith('.part'))).toHaveLength(0);
    },
    { timeout: 10_000 },
  );
  return readdirSync(folder).map((name) => join(folder, name));
}

function textOf(path: string): string[] {
  const decoder = new RecordingDecoder();
  return decoder
    .push(readFileSync(path))
    .map(({ direction, ms, bytes }) => `${direction} ${ms} ${bytes.toString()}`);
}

test('a recording has the bytes, times, metadata and totals of the tunnel', async () => {
  const recorder = record({ direction: 'both' });
  const chunk = Buffer.from('hello');
  recorder.out(chunk, 3);
  // The memory of a chunk is used again.
  chunk.fill(0);
  recorder.in(Buffer.from('secret'), 5);
  recorder.end(info);
  const [path = ''] = await finished();
  expect(textOf(path)).toEqual(['out 3 hello', 'in 5 secret']);
  const reader = await RecordingReader.open(path);
  expect(reader.header).toMatchObject({
    direction: 'both',
    tunnel: { id: '12345678-aaaa', url: '/vnc', address: '::1', user: 'ann', backend: 'localhost:5900' },
  });
  expect(reader.summary).toMatchObject({ bytesOut: 5, bytesIn: 6 });
  expect(reader.summary).not.toHaveProperty('stopped');
  await reader.close();
  expect(warnings).toEqual([expect.stringContaining('passwords too')]);
});

test('without direction, bytes of the client are not recorded', async () => {
  const recorder = record();
  recorder.in(Buffer.from('secret'), 1);
  recorder.end(info);
  const [path = ''] = await finished();
  expect(readFileSync(path).includes('secret')).toBe(false);
  expect(warnings).toEqual([]);
});

test('only the user of the process can read a recording, which is .part until the end', async () => {
  const recorder = record({ name: () => 'x' });
  await vi.waitFor(() => expect(readdirSync(folder)).toEqual(['x.wsrec.part']), { timeout: 10_000 });
  expect(statSync(join(folder, 'x.wsrec.part')).mode & 0o777).toBe(0o600);
  recorder.end(info);
  await finished();
});

test('a finished recording, an unfinished one and a symbolic link are never overwritten', async () => {
  writeFileSync(join(folder, 'x.wsrec'), 'old');
  writeFileSync(join(folder, 'x.1.wsrec.part'), 'other');
  symlinkSync('/tmp/nowhere', join(folder, 'x.2.wsrec.part'));
  record({ name: () => 'x' }).end(info);
  await vi.waitFor(() => expect(readdirSync(folder)).toContain('x.3.wsrec'), { timeout: 10_000 });
  expect(readFileSync(join(folder, 'x.wsrec'), 'utf8')).toBe('old');
  expect(readFileSync(join(folder, 'x.1.wsrec.part'), 'utf8')).toBe('other');
});

test.each(['../../etc/passwd', '.hidden', '/abs', 'a\0b\n', 'x'.repeat(10_000), '', '\u202e<b>'])(
  'the user name %j makes no name outside of the folder',
  async (user) => {
    record({}, { ...info, user }).end(info);
    record({ name: () => user }).end(info);
    for (const path of await finished(2)) {
      const name = path.slice(folder.length + 1);
      expect(name).toMatch(/^[A-Za-z0-9_@][A-Za-z0-9._@-]*\.wsrec$/);
      expect(name.length).toBeLessThan(150);
    }
  },
);

test('a full queue ends the recording with its reason, and reports the failure once', async () => {
  const recorder = record();
  const megabyte = Buffer.alloc(1024 * 1024, 1);
  // No write can finish in one event-loop turn: the queue must refuse bytes by itself.
  expect(() => {
    for (let i = 0; i < 33; i++) recorder.out(megabyte, i);
  }).toThrow('the disk is too slow');
  expect(() => recorder.out(megabyte, 33)).toThrow('the disk is too slow');
  recorder.end(info);
  const [path = ''] = await finished();
  const reader = await RecordingReader.open(path);
  expect(reader.summary).toMatchObject({
    bytesOut: 31 * 1024 * 1024,
    stopped: expect.stringMatching(/too slow/) as string,
  });
  await reader.close();
  expect(warnings).toHaveLength(1);
});

test('maxBytes is never exceeded, also by many short records', async () => {
  const recorder = record({ maxBytes: 65_536 });
  expect(() => {
    for (let i = 0; i < 10_000; i++) recorder.out(Buffer.from('12345678'), i);
  }).toThrow('maxBytes (65536) is reached');
  const [path = ''] = await finished();
  expect(statSync(path).size).toBeLessThanOrEqual(65_536);
  expect(statSync(path).size).toBeGreaterThan(50_000);
});

test('a folder that has gone fails the recording, and says so', async () => {
  const make = fileRecorder({ folder, whenFails: 'close' });
  rmSync(folder, { recursive: true });
  const recorder = make(info, req)!;
  expect(recorder.whenFails).toBe('close');
  await vi.waitFor(() => expect(() => recorder.out(Buffer.from('x'), 1)).toThrow('there is no such file'), {
    timeout: 10_000,
  });
  recorder.end(info);
  expect(warnings).toEqual([expect.stringContaining('there is no such file or folder')]);
});

test('a name function that throws is a failure of the recording', () => {
  const name = (): string => {
    throw new Error('no name');
  };
  expect(record({ name })).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining('no name')]);
  expect(() => record({ name, whenFails: 'close' })).toThrow('no name');
});

test('a seek begins at the last index entry that is not later', async () => {
  const recorder = record();
  for (let i = 0; i < 100; i++) recorder.out(Buffer.alloc(10_000, i), i * 10);
  recorder.end(info);
  const [path = ''] = await finished();
  const reader = await RecordingReader.open(path);
  const first = async (from: number): Promise<number | undefined> => {
    for await (const { ms } of reader.records(from)) return ms;
    return undefined;
  };
  expect(await first(0)).toBe(0);
  const ms = (await first(500))!;
  expect(ms).toBeLessThanOrEqual(500);
  expect(ms).toBeGreaterThan(400);
  await reader.close();
});

describe('invalid options', () => {
  test.each([
    [{ folder: '/nowhere' }, 'there is no such file or folder'],
    [{ folder: '/etc/passwd' }, 'folder'],
    [{ folder: undefined }, 'needs folder'],
    [{ maxBytes: 10 }, 'from 65536'],
    [{ direction: 'in' }, '"out", "both"'],
    [{ whenFail: 'close' }, 'did you mean "whenFails"'],
  ])('%j', (options, message) => {
    expect(() => record(options as never)).toThrow(message);
  });
});
