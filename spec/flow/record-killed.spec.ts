import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { convertRecording, RecordingReader } from '../../src/record/index.js';

const PROGRAM = join(import.meta.dirname, 'record-killed.mjs');

test('after SIGKILL a recording has all whole records, in order, without a gap', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'killed-'));
  const child = fork(PROGRAM, [folder]);
  try {
    const size = () => readdirSync(folder).map((name) => statSync(join(folder, name)).size)[0] ?? 0;
    await vi.waitFor(() => expect(size()).toBeGreaterThan(300_000), { timeout: 15_000 });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    const [name = ''] = readdirSync(folder);
    expect(name).toMatch(/\.wsrec\.part$/);
    const reader = await RecordingReader.open(join(folder, name));
    expect(reader.header.tunnel.user).toBe('ann');
    expect(reader.summary).toBeUndefined();
    const parts = [];
    for await (const part of convertRecording(reader, 'raw')) parts.push(Buffer.from(part as string));
    expect(reader.failure).toBeUndefined();
    const numbers = Buffer.concat(parts).toString().trim().split('\n');
    expect(numbers.length).toBeGreaterThan(10_000);
    expect(numbers.every((number, index) => Number(number) === index)).toBe(true);
    await reader.close();
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
});
