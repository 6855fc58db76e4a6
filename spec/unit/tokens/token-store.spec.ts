import { mkdir, open as openFile, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { FileFault } from '../../../src/tokens/files/file-fault.js';
import { stampOf } from '../../../src/tokens/files/token-file.js';
import { TokenStore } from '../../../src/tokens/files/token-store.js';
import { onCleanup } from '../../support/cleanup.js';
import { files } from '../../support/command.js';
import { sleep, until } from '../../support/wait.js';

const disk = vi.hoisted(() => ({
  fails: false,
  full: false,
  changes: false,
  looks: 0,
  reads: 0,
  delay: 0,
  slow: 0,
}));

vi.mock(import('../../../src/tokens/files/file-fault.js'), async (original) => {
  const real = await original();
  return {
    ...real,
    readTokenText: async (path: string) => {
      disk.reads++;
      if (!disk.fails) return real.readTokenText(path);
      throw new FileFault('too many open files', { cause: new Error('EMFILE') });
    },
  };
});

vi.mock(import('../../../src/tokens/files/token-file.js'), async (original) => {
  const real = await original();
  return {
    ...real,
    stampOf: async (path: string) => {
      disk.looks++;
      const stamp = await real.stampOf(path);
      if (disk.delay > 0 && stamp?.isFolder === false) {
        disk.slow++;
        await sleep(disk.delay);
      }
      return disk.changes && stamp?.isFolder === false ? { ...stamp, text: '' } : stamp;
    },
    pathsIn: (folder: string) => {
      disk.looks++;
      if (disk.full) throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
      return real.pathsIn(folder);
    },
  };
});

beforeEach(() => {
  Object.assign(disk, { fails: false, full: false, changes: false, looks: 0, reads: 0, delay: 0, slow: 0 });
});

test('a file that could not be read is read again although it has not changed', async () => {
  const { file } = await files({ file: 'old: 1\n' });
  const warn = vi.fn();
  const tokens = await TokenStore.open(file!, warn);
  await writeFile(file!, 'fresh: 2\n');
  disk.fails = true;
  expect(await tokens.find('old')).toBeUndefined();
  expect(await tokens.find('fresh')).toBeUndefined();
  expect(warn.mock.calls).toEqual([['too many open files; none of its tokens is valid']]);
  disk.fails = false;
  expect(await tokens.find('old')).toBeUndefined();
  expect(await tokens.find('fresh')).toMatchObject({ port: 2 });
});

test('without a free descriptor known tokens stay valid, and a new file is found later', async () => {
  const { folder = '' } = await files({ one: 'a: 1\n' });
  const warn = vi.fn();
  const tokens = await TokenStore.open(folder, warn);
  await writeFile(join(folder, 'two'), 'b: 2\n');
  disk.full = true;
  for (let i = 0; i < 2; i++) expect(await tokens.find('b')).toBeUndefined();
  expect(await tokens.find('a')).toMatchObject({ port: 1 });
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/new files are not noticed$/)]]);
  disk.full = false;
  expect(await tokens.find('b')).toMatchObject({ port: 2 });
});

test('of a file that changes all the time the complete lines are valid', async () => {
  const { file } = await files({ file: 'a: 1\nb: 59' });
  disk.changes = true;
  const tokens = await TokenStore.open(file!, () => undefined);
  const found = await Promise.all([tokens.find('a'), tokens.find('b')]);
  expect(found.map((host) => host?.port)).toEqual([1, undefined]);
});

test('a change that keeps size and time (cp -p) is noticed', async () => {
  const { file } = await files({ file: 'a: 1\n' });
  await utimes(file!, 1e9, 1e9);
  const tokens = await TokenStore.open(file!, () => undefined);
  await writeFile(file!, 'b: 2\n');
  await utimes(file!, 1e9, 1e9);
  expect(await tokens.find('a')).toBeUndefined();
  expect(await tokens.find('b')).toMatchObject({ port: 2 });
});

test('links in a folder are followed, and a dangling link is ignored', async () => {
  const { folder = '', one = '' } = await files({ one: 'a: 1\n', '.hidden': 'b: 2\n' });
  const elsewhere = await files({ two: 'c: 3\n' });
  await symlink(elsewhere.two!, join(folder, 'link'));
  await symlink(elsewhere.folder!, join(folder, 'folder'));
  await symlink(`${one}-gone`, join(folder, 'nowhere'));
  const tokens = await TokenStore.open(folder, () => undefined);
  const found = await Promise.all(['a', 'b', 'c'].map((name) => tokens.find(name)));
  expect(found.map((host) => host?.port)).toEqual([1, undefined, 3]);
});

describe('issue 12, case 17: the cost of looking up a token', () => {
  /** A folder of files with one token each; the stamps are old enough to be trusted. */
  async function startFolder(count: number) {
    const names = Array.from({ length: count }, (_, i) => [`desk-${i}`, `token-${i}: ${i + 1}\n`] as const);
    const made = await files(Object.fromEntries(names));
    await sleep(60);
    const warn = vi.fn();
    const tokens = await TokenStore.open(made.folder!, warn);
    return { tokens, warn, folder: made.folder! };
  }

  async function looksFor(find: () => Promise<unknown>): Promise<number> {
    const before = disk.looks;
    await find();
    return disk.looks - before;
  }

  const portOf = async (tokens: TokenStore, token: string) => (await tokens.find(token))?.port;

  test.each([10, 1000])(
    'a known token among %d files costs one disk access, and a missing token none',
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
    // Each token costs one look at the folder; the looks at the files are shared.
    expect(looks).toBeLessThan(100 + 2 * 1000);
  });

  test('a look at all files is followed by a pause of five times its duration', async () => {
    disk.delay = 10;
    const { tokens } = await startFolder(10);
    const before = disk.slow;
    const start = performance.now();
    // Four looks at the ten files, with a pause between two looks.
    await until(async () => {
      await tokens.find('wrong');
      return disk.slow - before >= 4 * 10;
    });
    expect(performance.now() - start).toBeGreaterThan(3 * 5 * 9);
  });

  test('a wrong token does not wait for a slow look at all files', async () => {
    disk.delay = 4000;
    const { tokens } = await startFolder(10);
    for (let i = 0; i < 10; i++) expect(await looksFor(() => tokens.find('wrong'))).toBe(1);
  });

  test("a file's stamp is not trusted a moment after it was written", async () => {
    const { file } = await files({ file: 'a: 1\n' });
    await vi.waitFor(async () => {
      await writeFile(file!, 'a: 1\n');
      expect(await stampOf(file!)).toEqual({ isFolder: false, text: '' });
    });
    await vi.waitFor(async () => expect((await stampOf(file!))?.text).toMatch(/^\d+ 5 \d+$/));
  });

  test('a token is invalid at once when its file is removed, renamed, rewritten or replaced', async () => {
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

  test('a change that keeps size and time is noticed, a moment after the previous one', async () => {
    const { folder = '' } = await files({});
    await writeFile(join(folder, 'desk'), 'a: 1\n');
    const tokens = await TokenStore.open(folder, () => undefined);
    for (let i = 0; i < 50; i++) {
      await writeFile(join(folder, 'desk'), i % 2 === 0 ? 'b: 2\n' : 'a: 1\n');
      expect(await portOf(tokens, i % 2 === 0 ? 'a' : 'b')).toBeUndefined();
      expect(await portOf(tokens, i % 2 === 0 ? 'b' : 'a')).toBe(i % 2 === 0 ? 2 : 1);
    }
  });

  test('a new file and a new line are found at the next look-up', async () => {
    const { tokens, folder } = await startFolder(10);
    expect(await portOf(tokens, 'new')).toBeUndefined();
    await writeFile(join(folder, 'new'), 'new: 99\n');
    expect(await portOf(tokens, 'new')).toBe(99);
    await writeFile(join(folder, 'desk-1'), 'token-1: 2\nmore: 98\n');
    await vi.waitFor(async () => expect(await portOf(tokens, 'more')).toBe(98));
    expect(await portOf(tokens, 'token-1')).toBe(2);
  });

  test('a token that moved to another file is found there', async () => {
    const { tokens, folder, warn } = await startFolder(10);
    await writeFile(join(folder, 'new'), 'token-1: 77\n');
    await writeFile(join(folder, 'desk-1'), '# none\n');
    expect(await portOf(tokens, 'not there')).toBeUndefined();
    expect(await portOf(tokens, 'token-1')).toBe(77);
    expect(warn).not.toHaveBeenCalled();
  });

  test('a deleted folder has no tokens, and a restored one is read', async () => {
    const { tokens, folder, warn } = await startFolder(3);
    await rename(folder, `${folder}-away`);
    for (let i = 0; i < 3; i++) expect(await portOf(tokens, 'token-1')).toBeUndefined();
    expect(warn.mock.calls).toEqual([[`${folder}: there is no such file or folder; no token is valid`]]);
    await rename(`${folder}-away`, folder);
    expect(await portOf(tokens, 'token-1')).toBe(2);
  });

  test('tunnels keep running while a file of many tokens is read', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `token-${i}: ${(i % 60_000) + 1}\n`);
    const { file } = await files({ file: lines.join('') });
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const tokens = await TokenStore.open(file!, () => undefined);
    clearInterval(timer);
    expect(await portOf(tokens, 'token-19999')).toBe(20_000);
    expect(turns).toBeGreaterThan(3);
  });
});

describe('issue 13, case 4: an invalid line affects only itself', () => {
  async function open(texts: Record<string, string>, path: 'folder' | 'tokens' = 'folder') {
    const made = await files(texts);
    const warn = vi.fn();
    const tokens = await TokenStore.open(made[path]!, warn);
    const portOf = async (token: string) => (await tokens.find(token))?.port;
    return { at: (name: string) => join(made.folder!, name), warn, tokens, portOf };
  }

  test('other lines are used, tokens without a line are invalid, and the line is reported once', async () => {
    const { at, warn, portOf } = await open({ tokens: 'old: 1\nkept: 2\n' }, 'tokens');
    await writeFile(at('tokens'), 'kept: 2\nno-colon 3\nhost-only: desk.lan\nfresh: 4\nkept: 5\n');
    for (let i = 0; i < 3; i++) {
      expect(await portOf('old')).toBeUndefined();
      expect(await portOf('kept')).toBe(2);
      expect(await portOf('fresh')).toBe(4);
      for (const none of ['no-colon', 'host-only']) expect(await portOf(none)).toBeUndefined();
    }
    const targets = 'HOST:PORT, PORT, [IPv6]:PORT, unix_socket:/path, unix:/path or tls:HOST:PORT';
    expect(warn.mock.calls).toEqual([
      [`${at('tokens')}:2: a line must be "token: HOST:PORT"`],
      [`${at('tokens')}:3: the target must be ${targets}`],
      [`${at('tokens')}:5: duplicate token; the first line counts`],
    ]);
  });

  test('a file of another kind is reported in a few lines, without its content', async () => {
    const { at, warn, portOf } = await open({ right: 'a: 1\n' });
    await writeFile(at('wrong'), 'secret text\n'.repeat(10_000));
    expect(await portOf('secret')).toBeUndefined();
    expect(await portOf('a')).toBe(1);
    expect(warn).toHaveBeenCalledTimes(6);
    expect(warn).toHaveBeenLastCalledWith(`${at('wrong')}: 9995 more lines are invalid`);
    expect(JSON.stringify(warn.mock.calls)).not.toContain('secret');
  });

  test('the start behaves the same, and fails where no line is valid', async () => {
    const { warn, portOf } = await open({ one: 'nonsense\n', two: 'a: 1\nmore nonsense\n' });
    expect(await portOf('a')).toBe(1);
    expect(warn).toHaveBeenCalledTimes(2);
    await expect(open({ tokens: 'nonsense\n' }, 'tokens')).rejects.toThrow(/tokens:1: a line must be/);
  });

  test('an unreadable file has no valid token, and other files keep theirs', async () => {
    const { at, warn, portOf } = await open({ one: 'a: 1\n', two: 'b: 2\n' });
    await vi.waitFor(async () => expect((await stampOf(at('two')))?.text).not.toBe(''));
    expect(await portOf('b')).toBe(2);
    await writeFile(at('one'), 'a: 1\n');
    disk.fails = true;
    expect(await portOf('a')).toBeUndefined();
    expect(await portOf('b')).toBe(2);
    expect(warn.mock.calls).toEqual([['too many open files; none of its tokens is valid']]);
    disk.fails = false;
    await vi.waitFor(async () => expect(await portOf('a')).toBe(1));
  });

  test('issue 16: whether an open tunnel keeps its token is unclear while a file can not be read', async () => {
    const { at, tokens: store } = await open({ one: 'a: 1\n', two: 'b: 2\n' });
    await writeFile(at('one'), 'a: 1\n');
    disk.fails = true;
    expect(await store.isValid('a')).toBeUndefined();
    disk.fails = false;
    expect(await store.isValid('a')).toBe(true);
    await writeFile(at('one'), 'c: 1\n');
    expect(await store.isValid('a')).toBe(false);
    expect(await store.isValid(null)).toBe(false);
  });

  test('a file of more than 64 MiB is not read, and other files keep their tokens', async () => {
    const { folder, big } = await files({ big: 'large: 1\n', small: 'little: 2\n' });
    await truncate(big!, 64 * 1024 ** 2 + 1);
    const warn = vi.fn();
    const tokens = await TokenStore.open(folder!, warn);
    expect(warn.mock.calls).toEqual([[`${big}: the file has more than 64 MiB; none of its tokens is valid`]]);
    expect(await tokens.find('large')).toBeUndefined();
    expect(await tokens.find('little')).toMatchObject({ port: 2 });
  });

  test('a token in two files belongs to the first by name, and the second is reported once', async () => {
    const { at, warn, portOf } = await open({ one: 'a: 1\n' });
    await writeFile(at('two'), '\na: 2\nb: 3\n');
    for (let i = 0; i < 3; i++) {
      expect(await portOf('other')).toBeUndefined();
      expect(await portOf('a')).toBe(1);
    }
    expect(await portOf('b')).toBe(3);
    expect(warn.mock.calls).toEqual([
      [`${at('two')}:2: this token is also in another file; the first file by name counts`],
    ]);
    await writeFile(at('one'), '# none\n');
    expect(await portOf('a')).toBe(2);
    await writeFile(at('two'), '# none\n');
    expect(await portOf('a')).toBeUndefined();
  });

  test('backup files of editors and package managers are not token files', async () => {
    const leftovers =
      'desk~ .desk.swp #desk# .#desk .desk desk.bak desk.orig desk.save desk.swo desk.old desk.dpkg-old ' +
      'desk.dpkg-dist desk.ucf-old desk.rpmsave desk.rpmnew desk.pacsave desk.BAK desk.tmp';
    const names = leftovers.split(' ');
    const texts = Object.fromEntries(names.map((name, i) => [name, `old-${i}: 1\n`]));
    const { portOf } = await open({ ...texts, desk: 'a: 1\n', 'desk.lan': 'b: 2\n', 'desk.conf': 'c: 3\n' });
    for (const [i, name] of names.entries()) expect(await portOf(`old-${i}`), name).toBeUndefined();
    expect(await Promise.all(['a', 'b', 'c'].map(portOf))).toEqual([1, 2, 3]);
  });

  test("a line of websockify's unix_socket leads to that socket", async () => {
    const { tokens } = await open({ tokens: 'a: unix_socket:/run/a:b.sock\nb: unix_socket:x\n' }, 'tokens');
    expect(await tokens.find('a')).toEqual({ socket: '/run/a:b.sock' });
    expect(await tokens.find('b')).toEqual({ socket: 'x' });
  });

  test('tokens stay valid while a program writes the file, and a truncated port is not a target', async () => {
    const { at, portOf } = await open({ tokens: 'a: 5900\nb: 5901\n' }, 'tokens');
    const file = await openFile(at('tokens'), 'w');
    onCleanup(() => file.close());
    const found = Promise.all([portOf('a'), portOf('b')]);
    for (const part of ['a: 59', '00\nb: 5', '902\n']) {
      await sleep(5);
      await file.write(part);
    }
    expect(await found).toEqual([5900, 5902]);
  });

  test('a last line without a newline is used once the file is no longer written', async () => {
    const { portOf } = await open({ tokens: 'a: 5900' }, 'tokens');
    expect(await portOf('a')).toBe(5900);
  });
});
