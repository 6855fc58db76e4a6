import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
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
import { PassThrough, Transform } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  fileRecorder,
  makeFileRecorder,
  type FileRecorderOptions,
} from '../../../src/record/file-recorder.js';
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
  viewOnly: false,
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

async function hasHeader(path: string): Promise<void> {
  await vi.waitFor(() => expect(statSync(path).size).toBeGreaterThan(0), { timeout: 10_000 });
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
  await recorder.end(info);
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
  await recorder.end(info);
  const [path = ''] = await finished();
  expect(readFileSync(path).includes('secret')).toBe(false);
  expect(warnings).toEqual([]);
});

test('only the user of the process can read a recording, which is .part until the end', async () => {
  const recorder = record({ name: () => 'x' });
  await vi.waitFor(() => expect(readdirSync(folder)).toEqual(['x.wsrec.part']), { timeout: 10_000 });
  expect(statSync(join(folder, 'x.wsrec.part')).mode & 0o777).toBe(0o600);
  await recorder.end(info);
  await finished();
});

test('a finished recording, an unfinished one and a symbolic link are never overwritten', async () => {
  writeFileSync(join(folder, 'x.wsrec'), 'old');
  writeFileSync(join(folder, 'x.1.wsrec.part'), 'other');
  symlinkSync('/tmp/nowhere', join(folder, 'x.2.wsrec.part'));
  await record({ name: () => 'x' }).end(info);
  await vi.waitFor(() => expect(readdirSync(folder)).toContain('x.3.wsrec'), { timeout: 10_000 });
  expect(readFileSync(join(folder, 'x.wsrec'), 'utf8')).toBe('old');
  expect(readFileSync(join(folder, 'x.1.wsrec.part'), 'utf8')).toBe('other');
});

test.each([
  ...['../../etc/passwd', '..', '.hidden', '/abs', 'C:\\x', 'a\0b\n\x1b[31m', 'x'.repeat(10_000), ''],
  ...['\u202e<b>', '<script>', 'e\u0301', '\u00e9', '\ud800', 'CON', 'nul.txt', 'com1', '-rf', ' '],
])('the user name %j makes no name outside of the folder', async (user) => {
  await record({}, { ...info, user }).end(info);
  await record({ name: () => user }).end(info);
  for (const path of await finished(2)) {
    const name = path.slice(folder.length + 1);
    expect(name).toMatch(/^[A-Za-z0-9_@][A-Za-z0-9._@-]*\.wsrec$/);
    expect(name.length).toBeLessThan(150);
    expect(name).not.toMatch(/^(con|nul|com1)\./i);
  }
});

test('a full queue ends the recording with its reason, and reports the failure once', async () => {
  const recorder = record();
  const megabyte = Buffer.alloc(1024 * 1024, 1);
  // No write can finish in one event-loop turn: the queue must refuse bytes by itself.
  expect(() => {
    for (let i = 0; i < 33; i++) recorder.out(megabyte, i);
  }).toThrow('the disk is too slow');
  expect(() => recorder.out(megabyte, 33)).toThrow('the disk is too slow');
  await recorder.end(info);
  const [path = ''] = await finished();
  const reader = await RecordingReader.open(path);
  expect(reader.summary).toMatchObject({
    bytesOut: 31 * 1024 * 1024,
    stopped: expect.stringMatching(/too slow/) as string,
  });
  await reader.close();
  expect(warnings).toHaveLength(1);
});

test('a full file has its reason in the index, also if the failure ends the tunnel at once', async () => {
  const recorder = record({ maxBytes: 65_536, whenFails: 'close' });
  recorder.failed!.addEventListener('abort', () => void recorder.end(info));
  expect(() => recorder.out(Buffer.alloc(70_000), 5)).toThrow('limit of 65536 bytes');
  await recorder.end(info);
  const [path = ''] = await finished();
  const reader = await RecordingReader.open(path);
  await reader.close();
  expect(reader.summary?.stopped).toContain('limit of 65536 bytes');
});

test('maxBytes is never exceeded, also by many short records', async () => {
  const recorder = record({ maxBytes: 65_536 });
  expect(() => {
    for (let i = 0; i < 10_000; i++) recorder.out(Buffer.from('12345678'), i);
  }).toThrow('the file has reached its limit of 65536 bytes (maxBytes)');
  const [path = ''] = await finished();
  expect(statSync(path).size).toBeLessThanOrEqual(65_536);
  expect(statSync(path).size).toBeGreaterThan(50_000);
});

test('a missing folder fails the recording, with a report', async () => {
  const make = fileRecorder({ folder, whenFails: 'close' });
  rmSync(folder, { recursive: true });
  const recorder = make(info, req)!;
  expect(recorder.whenFails).toBe('close');
  await vi.waitFor(() => expect(() => recorder.out(Buffer.from('x'), 1)).toThrow('there is no such file'), {
    timeout: 10_000,
  });
  await recorder.end(info);
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

test('a name that is not a string is a failure of the recording, and a rejected promise ends no process', () => {
  const name = () => Promise.reject(new Error('late')) as never;
  expect(record({ name })).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining('name must return a string')]);
});

test('recordings of the same name in the same millisecond get different files, also after the clock is set back', async () => {
  vi.spyOn(Date, 'now').mockReturnValue(1_700_000_000_000);
  const make = fileRecorder({ folder });
  const recorders = Array.from({ length: 5 }, () => make(info, req)!);
  recorders[0]!.out(Buffer.from('a'), 50);
  vi.mocked(Date.now).mockReturnValue(1_600_000_000_000);
  // A recorder's times come from the caller: a clock that is set back must not make them fall.
  recorders[0]!.out(Buffer.from('b'), 20);
  await Promise.all(recorders.map(async (recorder) => recorder.end(info)));
  const paths = await finished(5);
  const long = paths.find((path) => textOf(path).length > 0)!;
  expect(textOf(long)).toEqual(['out 50 a', 'out 50 b']);
  for (const path of paths) {
    const reader = await RecordingReader.open(path);
    expect(reader.header.start).toBe(1_700_000_000_000);
    expect(reader.summary!.duration).toBeLessThan(60_000);
    await reader.close();
  }
});

test('end() resolves when the file is finished', async () => {
  const recorder = record({ name: () => 'x' });
  recorder.out(Buffer.alloc(1_000_000), 1);
  await recorder.end(info);
  expect(readdirSync(folder)).toEqual(['x.wsrec']);
});

test('a thousand recordings at once have all their bytes', async () => {
  const make = fileRecorder({ folder });
  const before = process.memoryUsage().rss;
  const recorders = Array.from({ length: 1000 }, (_, i) => make({ ...info, id: String(i) }, req)!);
  for (let round = 0; round < 3; round++)
    for (const [i, recorder] of recorders.entries()) recorder.out(Buffer.from(`${i}.${round} `), round);
  await Promise.all(recorders.map(async (recorder) => recorder.end(info)));
  const paths = await finished(1000);
  const texts = paths.map((path) =>
    textOf(path)
      .map((line) => line.split(' ')[2])
      .join(),
  );
  expect(texts.sort()).toEqual(recorders.map((_, i) => `${i}.0,${i}.1,${i}.2`).sort());
  expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
});

test('the failure of a silent recording is reported by the signal', async () => {
  const make = fileRecorder({ folder });
  rmSync(folder, { recursive: true });
  const { failed } = make(info, req)!;
  await vi.waitFor(() => expect(failed!.aborted).toBe(true), { timeout: 10_000 });
  expect(failed!.reason).toMatchObject({
    message: expect.stringContaining('there is no such file') as string,
  });
});

test('a recording that was removed meanwhile fails within seconds', async () => {
  const recorder = record({ name: () => 'x' });
  await hasHeader(join(folder, 'x.wsrec.part'));
  rmSync(join(folder, 'x.wsrec.part'));
  const start = performance.now();
  vi.spyOn(performance, 'now').mockImplementation(() => start + 10_000);
  recorder.out(Buffer.from('lost'), 1);
  await vi.waitFor(() => expect(recorder.failed!.aborted).toBe(true), { timeout: 10_000 });
  expect(warnings).toEqual([expect.stringContaining('the file was removed')]);
  await recorder.end(info);
});

test('a recording that was removed before its end is reported', async () => {
  const recorder = record({ name: () => 'x' });
  await hasHeader(join(folder, 'x.wsrec.part'));
  rmSync(join(folder, 'x.wsrec.part'));
  await recorder.end(info);
  expect(warnings).toEqual([expect.stringContaining("can't be finished: there is no such file")]);
});

describe('encrypt', () => {
  const [key, iv] = [randomBytes(32), randomBytes(16)];

  test('only ciphertext reaches the disk, which the key decrypts', async () => {
    const recorder = record({ name: () => 'x', encrypt: () => createCipheriv('aes-256-ctr', key, iv) });
    const chunk = Buffer.alloc(30_000, 'secret ');
    for (let i = 0; i < 50; i++) recorder.out(chunk, i);
    await recorder.end(info);
    expect(readdirSync(folder)).toEqual(['x.wsrec.enc']);
    const path = join(folder, 'x.wsrec.enc');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const bytes = readFileSync(path);
    expect(bytes.includes('secret')).toBe(false);
    const plain = createDecipheriv('aes-256-ctr', key, iv).update(bytes);
    const decoder = new RecordingDecoder();
    const records = decoder.push(plain);
    expect(records).toHaveLength(50);
    expect(records.every(({ bytes: one }) => one.equals(chunk))).toBe(true);
    expect(decoder.isComplete).toBe(true);
  });

  test.each([
    ['fails', () => new Transform({ transform: (_chunk, _encoding, done) => done(new Error('no key')) })],
    ['is destroyed', () => new PassThrough().destroy()],
    ['fails later', () => failing()],
  ])('a stream that %s fails the recording', async (_what, encrypt) => {
    const recorder = record({ encrypt });
    await vi.waitFor(() => expect(recorder.failed!.aborted).toBe(true), { timeout: 10_000 });
    await recorder.end(info);
    expect(warnings).toHaveLength(1);
    expect(readdirSync(folder)[0]).toMatch(/\.wsrec\.enc\.part$/);
  });

  test('a stream that keeps the chunks for later gives the bytes as they were recorded', async () => {
    const kept: Buffer[] = [];
    const gathering = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        kept.push(chunk);
        done();
      },
      flush: (done) => done(null, Buffer.concat(kept)),
    });
    const recorder = record({ name: () => 'x', encrypt: () => gathering });
    for (let i = 0; i < 200; i++) {
      recorder.out(Buffer.alloc(60_000, i), i);
      if (i % 10 === 0) await nextTurn();
    }
    await recorder.end(info);
    const decoder = new RecordingDecoder();
    const records = decoder.push(readFileSync(join(folder, 'x.wsrec.enc')));
    expect(decoder.failure).toBeUndefined();
    expect(records.map(({ bytes }) => [bytes.length, bytes[0], bytes.at(-1)])).toEqual(
      Array.from({ length: 200 }, (_, i) => [60_000, i, i]),
    );
  });

  test('a stream that never accepts bytes fills the queue, and nothing else', async () => {
    const recorder = record({ encrypt: () => new Transform({ transform: () => undefined }) });
    expect(() => {
      for (let i = 0; i < 33; i++) recorder.out(Buffer.alloc(1024 * 1024), i);
    }).toThrow('too slow');
    await Promise.resolve();
  });

  test.each([
    [() => undefined, 'encrypt must return a Duplex'],
    [() => Promise.reject(new Error('late')), 'encrypt must return a Duplex'],
    [() => fail('no key'), 'no key'],
  ])('%s is a failure of the recording', (encrypt, message) => {
    expect(record({ encrypt: encrypt as never })).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining(message)]);
    expect(() => record({ encrypt: encrypt as never, whenFails: 'close' })).toThrow(message);
  });

  function failing(): PassThrough {
    const stream = new PassThrough();
    setTimeout(() => stream.destroy(new Error('the key is gone')), 50);
    return stream;
  }
});

function fail(message: string): never {
  throw new Error(message);
}

test('a seek begins at the last index entry that is not later', async () => {
  const recorder = record();
  for (let i = 0; i < 100; i++) recorder.out(Buffer.alloc(10_000, i), i * 10);
  await recorder.end(info);
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
    [
      { folder: '/etc/passwd' },
      'fileRecorder().folder must be an existing folder that this process may write to (it is a file)',
    ],
    [{ folder: undefined }, 'needs folder'],
    [{ maxBytes: 10 }, 'from 65536'],
    [{ direction: 'in' }, '"out", "both"'],
    [{ whenFail: 'close' }, 'did you mean "whenFails"'],
  ])('%j', (options, message) => {
    expect(() => record(options as never)).toThrow(message);
  });
});

test.each([undefined, '/var/lib/recordings'])('%j in place of an object of options', (options) => {
  expect(() => fileRecorder(options as never)).toThrow(
    "fileRecorder() needs an object, such as { folder: '/var/lib/recordings' }",
  );
});

test('a caller that reports failures itself gets each failure once, and no process warning', async () => {
  const reports: string[] = [];
  const make = makeFileRecorder({ folder, direction: 'both' }, (message) => reports.push(message));
  rmSync(folder, { recursive: true });
  const recorder = make(info, req)!;
  await vi.waitFor(() => expect(recorder.failed!.aborted).toBe(true), { timeout: 10_000 });
  await recorder.end(info);
  expect(reports).toEqual([expect.stringContaining('there is no such file or folder')]);
  expect(warnings).toEqual([]);
});
