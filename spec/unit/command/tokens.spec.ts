import { symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test, vi } from 'vitest';
import { CommandError } from '../../../src/command/exit.js';
import { Tokens } from '../../../src/command/listen/tokens.js';
import { files } from '../../support/command.js';

const disk = vi.hoisted(() => ({ fails: false }));

vi.mock(import('../../../src/command/files.js'), async (original) => {
  const real = await original();
  return {
    ...real,
    readText: (path: string) => {
      if (!disk.fails) return real.readText(path);
      throw new CommandError(3, 'too many open files', { cause: new Error('EMFILE') });
    },
  };
});

beforeEach(() => {
  disk.fails = false;
});

test('a file that could not be read is read again, though it has not changed since', async () => {
  const { file } = await files({ file: 'old: 1\n' });
  const warn = vi.fn();
  const tokens = new Tokens(file!, warn);
  await writeFile(file!, 'fresh: 2\n');
  disk.fails = true;
  expect(tokens.find('old')).toMatchObject({ port: 1 });
  expect(tokens.find('fresh')).toBeUndefined();
  expect(warn.mock.calls).toEqual([['too many open files; the old tokens hold']]);
  disk.fails = false;
  expect(tokens.find('old')).toBeUndefined();
  expect(tokens.find('fresh')).toMatchObject({ port: 2 });
});

test('a change counts that keeps size and time (cp -p)', async () => {
  const { file } = await files({ file: 'a: 1\n' });
  await utimes(file!, 1e9, 1e9);
  const tokens = new Tokens(file!, () => undefined);
  await writeFile(file!, 'b: 2\n');
  await utimes(file!, 1e9, 1e9);
  expect(tokens.find('a')).toBeUndefined();
  expect(tokens.find('b')).toMatchObject({ port: 2 });
});

test('a folder: links count as what they lead to, and one that leads nowhere is no harm', async () => {
  const { folder = '', one = '' } = await files({ one: 'a: 1\n', '.hidden': 'b: 2\n' });
  const elsewhere = await files({ two: 'c: 3\n' });
  await symlink(elsewhere.two!, join(folder, 'link'));
  await symlink(elsewhere.folder!, join(folder, 'folder'));
  await symlink(`${one}-gone`, join(folder, 'nowhere'));
  const tokens = new Tokens(folder, () => undefined);
  expect(['a', 'b', 'c'].map((name) => tokens.find(name)?.port)).toEqual([1, undefined, 3]);
});
