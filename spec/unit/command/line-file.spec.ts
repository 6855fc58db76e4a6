import { execFileSync } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { LineFile } from '../../../src/command/listen/log/line-file.js';
import type { FileSystem } from '../../../src/command/listen/log/log-file-system.js';
import { onCleanup } from '../../support/cleanup.js';
import { describeWith } from '../../support/programs.js';

afterEach(() => {
  vi.useRealTimers();
});

const gap = (lines: number) => `lost ${lines}\n`;

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'wstunnel-log-'));
  onCleanup(() => rm(path, { recursive: true, force: true }));
  return path;
}

const textOf = (path: string) => readFile(path, 'utf8').catch(() => '');

/** A disk in memory; `left` is the number of free bytes. */
class Disk {
  left = Infinity;
  error = 'ENOSPC';
  id = 'a:1';
  readonly texts: Record<string, string> = {};

  readonly files: FileSystem = {
    open: () => {
      const { id } = this;
      const [dev, ino] = id.split(':').map((part) => (part === 'a' ? 1 : Number(part)));
      return Promise.resolve({
        write: ((bytes: Buffer, at: number, length: number) => {
          if (this.left === 0) return Promise.reject(Object.assign(new Error('no'), { code: this.error }));
          const bytesWritten = Math.min(length, this.left);
          this.left -= bytesWritten;
          this.texts[id] = (this.texts[id] ?? '') + bytes.toString('utf8', at, at + bytesWritten);
          return Promise.resolve({ bytesWritten, buffer: bytes });
        }) as never,
        close: () => Promise.resolve(),
        stat: (() => Promise.resolve({ dev, ino })) as never,
      });
    },
    idOf: () => Promise.resolve(this.id.replace('a', '1')),
  };
}

describe('issue 12, case 16: the log recovers without help', () => {
  test('after a full disk every line is there and complete', async () => {
    vi.useFakeTimers();
    const disk = new Disk();
    const warn = vi.fn();
    const file = new LineFile('events.log', { warn, gap, files: disk.files });
    await file.open();
    disk.left = 12;
    for (const line of ['first\n', 'second\n', 'third\n']) file.write(line);
    await vi.advanceTimersByTimeAsync(5000);
    expect(warn.mock.calls).toEqual([['events.log: the disk is full; retrying']]);
    disk.left = Infinity;
    await vi.advanceTimersByTimeAsync(30_000);
    // The partly written line stays, on a separate line.
    expect(disk.texts[disk.id]).toBe('first\nsecond\nsecond\nthird\n');
    expect(warn.mock.calls.at(-1)).toEqual(['events.log: events can be written again']);
    file.write('fourth\n');
    await file.close();
    expect(disk.texts[disk.id]).toMatch(/third\nfourth\n$/);
  });

  test('lines that did not fit into memory meanwhile are counted in their place', async () => {
    vi.useFakeTimers();
    const disk = new Disk();
    const file = new LineFile('events.log', { warn: vi.fn(), gap, files: disk.files });
    await file.open();
    disk.left = 0;
    disk.error = 'EIO';
    const line = `${'x'.repeat(99)}\n`;
    for (let i = 0; i < 20_000; i++) file.write(line);
    await vi.advanceTimersByTimeAsync(1000);
    disk.left = Infinity;
    await vi.advanceTimersByTimeAsync(60_000);
    file.write('after\n');
    await file.close();
    const lines = (disk.texts[disk.id] ?? '').split('\n');
    const kept = lines.filter((one) => one.startsWith('x')).length;
    expect(kept).toBeGreaterThan(10_000);
    expect(kept).toBeLessThan(10_600);
    expect(lines.slice(kept)).toEqual([`lost ${20_000 - kept}`, 'after', '']);
  });

  test('lines that could not be written until the end are reported', async () => {
    const disk = new Disk();
    const warn = vi.fn();
    const file = new LineFile('events.log', { warn, gap, files: disk.files });
    await file.open();
    disk.left = 0;
    for (let i = 0; i < 3; i++) file.write('line\n');
    await file.close();
    expect(warn.mock.calls.at(-1)).toEqual(['events.log: 3 lines could not be written']);
    file.write('too late\n');
  });

  test.skipIf(!existsSync('/dev/full'))('on a real disk that is full for a while', async () => {
    const path = join(await folder(), 'log');
    await symlink('/dev/full', path);
    const warn = vi.fn();
    const file = new LineFile(path, { warn, gap });
    await file.open();
    file.write('first\n');
    await vi.waitFor(() => expect(warn).toHaveBeenCalled(), 5000);
    await rm(path);
    file.write('second\n');
    await vi.waitFor(async () => expect(await textOf(path)).toBe('first\nsecond\n'), 15_000);
    await file.close();
    expect(warn.mock.calls.map(([line]: string[]) => line)).toEqual([
      `${path}: the disk is full; retrying`,
      `${path}: events can be written again`,
    ]);
  });

  test('a file that is renamed or deleted is created again without a signal', async () => {
    const path = join(await folder(), 'log');
    const file = new LineFile(path, { warn: vi.fn(), gap });
    await file.open();
    file.write('one\n');
    await vi.waitFor(async () => expect(await textOf(path)).toBe('one\n'), 5000);
    for (const away of [() => rename(path, `${path}.1`), () => rm(path)]) {
      await away();
      await vi.waitFor(async () => {
        file.write('more\n');
        expect(await textOf(path)).toMatch(/^(more\n)+$/);
      }, 15_000);
    }
    expect(await textOf(`${path}.1`)).toMatch(/^one\n(more\n)*$/);
    await file.close();
  });

  test('open() continues at another file of that name, and no line is lost', async () => {
    const path = join(await folder(), 'log');
    const file = new LineFile(path, { warn: vi.fn(), gap });
    await file.open();
    const written: string[] = [];
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 200; i++) {
        written.push(`${round} ${i}\n`);
        file.write(`${round} ${i}\n`);
      }
      await rename(path, `${path}.${round}`);
      await file.open();
    }
    await file.close();
    const names = [0, 1, 2, 3, 4].map((round) => `${path}.${round}`);
    const texts = await Promise.all([...names, path].map(textOf));
    expect(texts.join('')).toBe(written.join(''));
  });

  test('a missing folder is an error of open()', async () => {
    const file = new LineFile(join(await folder(), 'none', 'log'), { warn: vi.fn(), gap });
    await expect(file.open()).rejects.toThrow('ENOENT');
  });
});

describeWith('mkfifo')('issue 12, case 16: a pipe as log', () => {
  test('waits for a slow reader and continues with the next one', async () => {
    const path = join(await folder(), 'pipe');
    execFileSync('mkfifo', [path]);
    const read = () => open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const first = await read();
    const warn = vi.fn();
    const file = new LineFile(path, { warn, gap });
    await file.open();
    // 500 kB exceed the capacity of a pipe.
    const line = `${'x'.repeat(999)}\n`;
    for (let i = 0; i < 500; i++) file.write(line);
    let bytes = 0;
    await vi.waitFor(
      async () => {
        const { bytesRead } = await first.read(Buffer.alloc(16_384)).catch(() => ({ bytesRead: 0 }));
        bytes += bytesRead;
        expect(bytes).toBe(500_000);
      },
      { timeout: 15_000, interval: 5 },
    );
    expect(warn).not.toHaveBeenCalled();

    await first.close();
    file.write('nobody reads\n');
    await vi.waitFor(() => expect(warn).toHaveBeenCalled(), 5000);
    const second = await read();
    onCleanup(() => second.close());
    await vi.waitFor(async () => {
      const { buffer, bytesRead } = await second
        .read(Buffer.alloc(100))
        .catch(() => ({ buffer: Buffer.alloc(0), bytesRead: 0 }));
      expect(buffer.toString('utf8', 0, bytesRead)).toBe('nobody reads\n');
    }, 15_000);
    await file.close();
  });
});

test('issue 12, case 16: a file renamed while nothing is written is created again at once', async () => {
  const path = join(await folder(), 'log');
  const file = new LineFile(path, { warn: () => undefined, gap });
  onCleanup(() => file.close());
  await file.open();
  file.write('one\n');
  await vi.waitFor(async () => expect(await textOf(path)).toBe('one\n'), 5000);
  await rename(path, `${path}.1`);
  await vi.waitFor(() => expect(existsSync(path)).toBe(true), 10_000);
  file.write('two\n');
  await vi.waitFor(async () => expect(await textOf(path)).toBe('two\n'), 5000);
  expect(await textOf(`${path}.1`)).toBe('one\n');
});
