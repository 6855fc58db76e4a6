import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { CommandError } from '../../../src/command/exit.js';
import { stampOf } from '../../../src/command/listen/token-file.js';
import { Tokens } from '../../../src/command/listen/tokens.js';
import { files } from '../../support/command.js';
import { until } from '../../support/wait.js';

const disk = vi.hoisted(() => ({ fails: false, looks: 0, reads: 0, delay: 0, slow: 0 }));

vi.mock(import('../../../src/command/files.js'), async (original) => {
  const real = await original();
  return {
    ...real,
    loadText: async (path: string) => {
      disk.reads++;
      if (!disk.fails) return real.loadText(path);
      throw new CommandError(3, 'too many open files', { cause: new Error('EMFILE') });
    },
  };
});

vi.mock(import('../../../src/command/listen/token-file.js'), async (original) => {
  const real = await original();
  return {
    ...real,
    stampOf: async (path: string) => {
      disk.looks++;
      const stamp = await real.stampOf(path);
      if (disk.delay > 0 && stamp?.isFolder === false) {
        disk.slow++;
        await new Promise((resolve) => setTimeout(resolve, disk.delay));
      }
      return stamp;
    },
    pathsIn: (folder: string) => {
      disk.looks++;
      return real.pathsIn(folder);
    },
  };
});

beforeEach(() => {
  Object.assign(disk, { fails: false, looks: 0, reads: 0, delay: 0, slow: 0 });
});

test('a file that could not be read is read again, though it has not changed since', async () => {
  const { file } = await files({ file: 'old: 1\n' });
  const warn = vi.fn();
  const tokens = await Tokens.open(file!, warn);
  await writeFile(file!, 'fresh: 2\n');
  disk.fails = true;
  expect(await tokens.find('old')).toMatchObject({ port: 1 });
  expect(await tokens.find('fresh')).toBeUndefined();
  expect(warn.mock.calls).toEqual([['too many open files; the old tokens hold']]);
  disk.fails = false;
  expect(await tokens.find('old')).toBeUndefined();
  expect(await tokens.find('fresh')).toMatchObject({ port: 2 });
});

test('a change counts that keeps size and time (cp -p)', async () => {
  const { file } = await files({ file: 'a: 1\n' });
  await utimes(file!, 1e9, 1e9);
  const tokens = await Tokens.open(file!, () => undefined);
  await writeFile(file!, 'b: 2\n');
  await utimes(file!, 1e9, 1e9);
  expect(await tokens.find('a')).toBeUndefined();
  expect(await tokens.find('b')).toMatchObject({ port: 2 });
});

test('a folder: links count as what they lead to, and one that leads nowhere is no harm', async () => {
  const { folder = '', one = '' } = await files({ one: 'a: 1\n', '.hidden': 'b: 2\n' });
  const elsewhere = await files({ two: 'c: 3\n' });
  await symlink(elsewhere.two!, join(folder, 'link'));
  await symlink(elsewhere.folder!, join(folder, 'folder'));
  await symlink(`${one}-gone`, join(folder, 'nowhere'));
  const tokens = await Tokens.open(folder, () => undefined);
  const found = await Promise.all(['a', 'b', 'c'].map((name) => tokens.find(name)));
  expect(found.map((host) => host?.port)).toEqual([1, undefined, 3]);
});

describe('issue 12, case 17: what a look-up costs', () => {
  /** A folder of files with a token each, of which none is fresh any more. */
  async function startFolder(count: number) {
    const names = Array.from({ length: count }, (_, i) => [`desk-${i}`, `token-${i}: ${i + 1}\n`] as const);
    const made = await files(Object.fromEntries(names));
    await new Promise((resolve) => setTimeout(resolve, 60));
    const warn = vi.fn();
    const tokens = await Tokens.open(made.folder!, warn);
    return { tokens, warn, folder: made.folder! };
  }

  async function looksFor(find: () => Promise<unknown>): Promise<number> {
    const before = disk.looks;
    await find();
    return disk.looks - before;
  }

  const portOf = async (tokens: Tokens, token: string) => (await tokens.find(token))?.port;

  test.each([10, 1000])(
    'a known token among %d files asks the disk once, and no token not at all',
    async (count) => {
      const { tokens } = await startFolder(count);
      disk.reads = 0;
      for (let i = 0; i < 10; i++) expect(await looksFor(() => tokens.find(`token-${i}`))).toBe(1);
      expect(await looksFor(() => tokens.find(null))).toBe(0);
      expect(disk.reads).toBe(0);
    },
  );

  test('wrong tokens at the same time share one look at all files', async () => {
    const { tokens } = await startFolder(1000);
    const wrong = Array.from({ length: 100 }, (_, i) => `wrong ${i}`);
    const looks = await looksFor(() => Promise.all(wrong.map((token) => tokens.find(token))));
    // The folder, for each, and all files.
    expect(looks).toBeLessThan(100 + 2 * 1000);
  });

  test('after a look at all files none follows for five times as long', async () => {
    disk.delay = 10;
    const { tokens } = await startFolder(10);
    const before = disk.slow;
    const start = performance.now();
    // Four looks at the ten files, with a rest before each.
    await until(async () => {
      await tokens.find('wrong');
      return disk.slow - before >= 4 * 10;
    });
    expect(performance.now() - start).toBeGreaterThan(3 * 5 * 9);
  });

  test('where a look at all files takes long, a wrong token does not wait for it', async () => {
    disk.delay = 4000;
    const { tokens } = await startFolder(10);
    for (let i = 0; i < 10; i++) expect(await looksFor(() => tokens.find('wrong'))).toBe(1);
  });

  test('a file that was written a moment ago has no stamp that could be trusted', async () => {
    const { file } = await files({ file: 'a: 1\n' });
    await vi.waitFor(async () => {
      await writeFile(file!, 'a: 1\n');
      expect(await stampOf(file!)).toEqual({ isFolder: false, text: '' });
    });
    await vi.waitFor(async () => expect((await stampOf(file!))?.text).toMatch(/^\d+ 5 \d+$/));
  });

  test('a token whose file is removed, renamed, rewritten or replaced is invalid at once', async () => {
    const { tokens, folder } = await startFolder(10);
    await rm(join(folder, 'desk-1'));
    await rename(join(folder, 'desk-2'), join(folder, '.desk-2'));
    await writeFile(join(folder, 'desk-3'), 'token-x: 3\n');
    await writeFile(join(folder, '.new'), 'token-y: 4\n');
    await rename(join(folder, '.new'), join(folder, 'desk-4'));
    await rm(join(folder, 'desk-5'));
    await mkdir(join(folder, 'desk-5'));
    for (let i = 1; i <= 5; i++) expect(await portOf(tokens, `token-${i}`)).toBeUndefined();
    expect(await portOf(tokens, 'token-x')).toBe(3);
    expect(await portOf(tokens, 'token-y')).toBe(4);
    expect(await portOf(tokens, 'token-6')).toBe(7);
  });

  test('a change that leaves size and time as they were a moment after the last one counts', async () => {
    const { folder = '' } = await files({});
    await writeFile(join(folder, 'desk'), 'a: 1\n');
    const tokens = await Tokens.open(folder, () => undefined);
    for (let i = 0; i < 50; i++) {
      await writeFile(join(folder, 'desk'), i % 2 === 0 ? 'b: 2\n' : 'a: 1\n');
      expect(await portOf(tokens, i % 2 === 0 ? 'a' : 'b')).toBeUndefined();
      expect(await portOf(tokens, i % 2 === 0 ? 'b' : 'a')).toBe(i % 2 === 0 ? 2 : 1);
    }
  });

  test('a new file, and a new line in an old one, count at the next look-up', async () => {
    const { tokens, folder } = await startFolder(10);
    expect(await portOf(tokens, 'new')).toBeUndefined();
    await writeFile(join(folder, 'new'), 'new: 99\n');
    expect(await portOf(tokens, 'new')).toBe(99);
    await writeFile(join(folder, 'desk-1'), 'token-1: 2\nmore: 98\n');
    await vi.waitFor(async () => expect(await portOf(tokens, 'more')).toBe(98));
    expect(await portOf(tokens, 'token-1')).toBe(2);
  });

  test('a token that has moved to another file is found there', async () => {
    const { tokens, folder, warn } = await startFolder(10);
    await writeFile(join(folder, 'new'), 'token-1: 77\n');
    await writeFile(join(folder, 'desk-1'), '# none\n');
    expect(await portOf(tokens, 'not there')).toBeUndefined();
    expect(await portOf(tokens, 'token-1')).toBe(77);
    expect(warn).not.toHaveBeenCalled();
  });

  test('a wrong file keeps its old tokens and is told of once; what others have lost is gone', async () => {
    const { tokens, folder, warn } = await startFolder(10);
    await writeFile(join(folder, 'desk-1'), 'nonsense\n');
    await writeFile(join(folder, 'desk-2'), '# none\n');
    for (let i = 0; i < 3; i++) expect(await portOf(tokens, 'token-1')).toBe(2);
    expect(await portOf(tokens, 'token-2')).toBeUndefined();
    expect(warn.mock.calls).toEqual([
      [`${join(folder, 'desk-1')}:1: a line is "token: HOST:PORT"; the old tokens hold`],
    ]);
  });

  test('of one token in two files the first holds, and the second is told of', async () => {
    const { tokens, folder, warn } = await startFolder(10);
    await writeFile(join(folder, 'twice'), '\ntoken-1: 99\n');
    expect(await portOf(tokens, 'other')).toBeUndefined();
    expect(await portOf(tokens, 'token-1')).toBe(2);
    expect(warn.mock.calls).toEqual([
      [`${join(folder, 'twice')}:2: this token is there twice; the old tokens hold`],
    ]);
  });

  test('a folder that is gone leaves none, and one that comes back is read', async () => {
    const { tokens, folder, warn } = await startFolder(3);
    await rename(folder, `${folder}-away`);
    for (let i = 0; i < 3; i++) expect(await portOf(tokens, 'token-1')).toBeUndefined();
    expect(warn.mock.calls).toEqual([[`${folder}: there is no such file or folder; no token is valid`]]);
    await rename(`${folder}-away`, folder);
    expect(await portOf(tokens, 'token-1')).toBe(2);
  });

  test('many tokens in one file are read while tunnels go on', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `token-${i}: ${(i % 60_000) + 1}\n`);
    const { file } = await files({ file: lines.join('') });
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const tokens = await Tokens.open(file!, () => undefined);
    clearInterval(timer);
    expect(await portOf(tokens, 'token-19999')).toBe(20_000);
    expect(turns).toBeGreaterThan(3);
  });
});
