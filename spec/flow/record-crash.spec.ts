import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { convertRecording, RecordingReader } from '../../src/record/index.js';

const PROGRAM = join(import.meta.dirname, 'record-numbers.mjs');

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'crash-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The only recording is unfinished, and has numbers from 0 on without a gap. Returns how many. */
async function readNumbers(): Promise<number> {
  const [name = ''] = readdirSync(folder);
  expect(name).toMatch(/\.wsrec\.part$/);
  const reader = await RecordingReader.open(join(folder, name));
  expect(reader.header.tunnel.user).toBe('ann');
  expect(reader.summary).toBeUndefined();
  const parts = [];
  for await (const part of convertRecording(reader, 'raw')) parts.push(Buffer.from(part as string));
  expect(reader.failure).toBeUndefined();
  await reader.close();
  const numbers = Buffer.concat(parts).toString().trim().split('\n');
  expect(numbers.every((number, index) => Number(number) === index)).toBe(true);
  return numbers.length;
}

test('after SIGKILL a recording has all whole records, in order, without a gap', async () => {
  const child = spawn(process.execPath, [PROGRAM, folder], { stdio: 'ignore' });
  try {
    const size = () => readdirSync(folder).map((name) => statSync(join(folder, name)).size)[0] ?? 0;
    await vi.waitFor(() => expect(size()).toBeGreaterThan(300_000), { timeout: 15_000 });
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    expect(await readNumbers()).toBeGreaterThan(10_000);
  } finally {
    child.kill('SIGKILL');
  }
});

// A limit of the process acts like a full disk: a part of the bytes is written, and the next write fails.
test.skipIf(process.platform === 'win32')(
  'a disk that becomes full fails the recording, which has all whole records before',
  async () => {
    const child = spawn('sh', ['-c', 'ulimit -f 400; exec "$@"', 'sh', process.execPath, PROGRAM, folder]);
    let [output, errors] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    try {
      expect(await once(child, 'exit', { signal: AbortSignal.timeout(15_000) })).toEqual([0, null]);
      await vi.waitFor(() => expect(errors).toContain('[WSTUNNEL_RECORD]'), { timeout: 5000 });
      expect(output).toMatch(/^the recording .* can't be written: /);
      expect(await readNumbers()).toBeGreaterThan(5000);
    } finally {
      child.kill('SIGKILL');
    }
  },
);
