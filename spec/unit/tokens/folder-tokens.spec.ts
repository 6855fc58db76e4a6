import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { folderTokens } from '../../../src/tokens/folder-tokens.js';
import { ask, folderOf, UNKNOWN } from './ask.js';

async function start() {
  const folder = await folderOf({
    'tokens/a': 'desk.lan:5900\n',
    'tokens/__proto__': '[::1]:5901',
    'tokens/bad': 'secret',
    'tokens/a~': 'old:1',
    'tokens/.hidden': 'old:1',
    outside: 'other:1\n',
  });
  return { at: (name: string) => join(folder, name), source: folderTokens(join(folder, 'tokens')) };
}

describe("websockify's TokenFileName", () => {
  test('finds the file named after the token, and reads it for each token', async () => {
    const { at, source } = await start();
    expect(await ask(source, 'a')).toEqual({ target: { host: 'desk.lan', port: 5900 } });
    expect(await ask(source, '__proto__')).toEqual({ target: { host: '::1', port: 5901 } });
    await writeFile(at('tokens/a'), 'desk.lan:5902\n');
    expect(await ask(source, 'a')).toEqual({ target: { host: 'desk.lan', port: 5902 } });
  });

  test('finds nothing outside of the folder, and no leftovers of editors', async () => {
    const { at, source } = await start();
    await symlink(at('outside'), at('tokens/link'));
    await symlink('..data/a', at('tokens/mounted'));
    await mkdir(at('tokens/..data'));
    await writeFile(at('tokens/..data/a'), 'pod:5900\n');
    await mkdir(at('tokens/folder'));
    await symlink('loop', at('tokens/loop'));
    const none = [
      ...[
        '../outside',
        at('outside'),
        '..',
        '.',
        'link',
        'folder',
        'loop',
        'a~',
        '.hidden',
        'folder/..',
        'a/',
      ],
      ...['a\0', '..\\outside', 'toString', 'x'.repeat(8192), 'a%00'],
    ];
    for (const token of none) expect([token, await ask(source, token)]).toEqual([token, UNKNOWN]);
    // As the kubelet mounts a Secret: links within the folder.
    expect(await ask(source, 'mounted')).toEqual({ target: { host: 'pod', port: 5900 } });
  });

  test('does not wait for a writer of a named pipe', async () => {
    const { at, source } = await start();
    execFileSync('mkfifo', [at('tokens/pipe')]);
    expect(await ask(source, 'pipe')).toEqual(UNKNOWN);
  });

  test('refuses a file without a target with 502, and does not show its name or text', async () => {
    const { at, source } = await start();
    await writeFile(at('tokens/huge'), `desk.lan:5900${' '.repeat(10_000)}`);
    for (const name of ['bad', 'huge']) {
      const answer = await ask(source, name);
      expect(answer).toMatchObject({
        status: 502,
        detail: expect.stringMatching(/the file of a token in .*tokens must contain HOST:PORT/) as string,
      });
      expect(JSON.stringify(answer)).not.toMatch(/secret|bad|huge/);
    }
  });

  test('must be a folder', () => {
    expect(() => folderTokens('/etc/passwd')).toThrow(/folderTokens\(\) needs a folder/);
  });
});
