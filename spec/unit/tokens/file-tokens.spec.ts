import { rename, rm, writeFile } from 'node:fs/promises';
import { describe, expect, test, vi } from 'vitest';
import { fileTokens } from '../../../src/tokens/file-tokens.js';
import { traitsOf } from '../../../src/tokens/token-types.js';
import { files } from '../../support/command.js';
import { ask, folderOf, UNKNOWN } from './ask.js';

const targetAt = (port: number, host = '127.0.0.1') => ({ target: { host, port } });

describe("websockify's TokenFile", () => {
  test('has lines, comments and blank lines, and names of all kinds', async () => {
    const { file } = await files({
      file: '# desks\n\na: desk.lan:5900\n __proto__:  :5901\nconstructor: 5902\nc:d: [::1]:5903\ns: unix_socket:/run/s\n',
    });
    const source = fileTokens(file!);
    expect(await ask(source, 'a')).toEqual(targetAt(5900, 'desk.lan'));
    expect(await ask(source, '__proto__')).toEqual(targetAt(5901));
    expect(await ask(source, 'constructor')).toEqual(targetAt(5902));
    expect(await ask(source, 'c:d')).toEqual(targetAt(5903, '::1'));
    expect(await ask(source, 's')).toEqual({ target: { socket: '/run/s' } });
    for (const token of ['b', '#', 'toString', 'a: desk.lan:5900', ''])
      expect(await ask(source, token)).toEqual(UNKNOWN);
  });

  test('may be a folder of files', async () => {
    const folder = await folderOf({
      'folder/one': 'a: 1\n',
      'folder/two': 'b: 2\n',
      'folder/two~': 'c: 3\n',
    });
    const source = fileTokens(`${folder}/folder`);
    expect(await Promise.all(['a', 'b', 'c'].map((token) => ask(source, token)))).toEqual([
      ...[targetAt(1), targetAt(2)],
      UNKNOWN,
    ]);
  });

  test('is read again after a change', async () => {
    const { file, next } = await files({ file: 'old: 1\n', next: 'new: 2\n' });
    const source = fileTokens(file!);
    expect(await ask(source, 'old')).toEqual(targetAt(1));
    await rename(next!, file!);
    expect(await ask(source, 'old')).toEqual(UNKNOWN);
    expect(await ask(source, 'new')).toEqual(targetAt(2));
  });

  test('reports an invalid line with file and line, without the token, and the other lines are valid', async () => {
    const warn = vi.fn();
    const { file } = await files({ file: 'secret 5900\nb: 2\nsecret: x\n' });
    const source = fileTokens(file!, { warn });
    expect(await ask(source, 'b')).toEqual(targetAt(2));
    expect(warn.mock.calls.flat()).toEqual([
      expect.stringContaining(`${file}:1: a line must be`),
      expect.stringContaining(`${file}:3: the target must be`),
    ]);
    expect(warn.mock.calls.flat().join()).not.toContain('secret');
  });

  test('by default reports an invalid line as a warning of the process', async () => {
    const emitted = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { file } = await files({ file: 'x\nb: 2\n' });
    await ask(fileTokens(file!), 'b');
    expect(emitted.mock.calls).toEqual([
      [expect.stringMatching(/^wstunnel: .*file:1: a line/), { code: 'WSTUNNEL_TOKENS' }],
    ]);
    emitted.mockRestore();
  });

  test('that disappears before the first token refuses the request, and is read once it is there', async () => {
    const { file } = await files({ file: 'a: 1\n' });
    const source = fileTokens(file!);
    await rm(file!);
    expect(await ask(source, 'a')).toMatchObject({ code: 'WSTUNNEL_STATE_DOWN', status: 503 });
    await writeFile(file!, 'a: 2\n');
    expect(await ask(source, 'a')).toEqual(targetAt(2));
  });

  test('must exist', () => {
    expect(() => fileTokens('/nowhere/x')).toThrow(
      /fileTokens\(\) needs a file or a folder: there is no such/,
    );
    expect(() => fileTokens('')).toThrow(/fileTokens\(\) must be a string that is not empty/);
    expect(() => fileTokens('/', { reed: 'once' } as never)).toThrow(/has no "reed"; did you mean "read"/);
  });
});

test("websockify's ReadOnlyTokenFile: with read 'once' a changed file has no effect", async () => {
  const { file } = await files({ file: 'a: 1\n' });
  const source = fileTokens(file!, { read: 'once' });
  expect(await ask(source, 'a')).toEqual(targetAt(1));
  await writeFile(file!, 'b: 2\n');
  expect(await ask(source, 'a')).toEqual(targetAt(1));
  expect(await ask(source, 'b')).toEqual(UNKNOWN);
  const context = { req: {} as never, signal: new AbortController().signal, note: () => undefined };
  expect(await traitsOf(source).recheck?.('a', context)).toBe(true);
});
