import { createServer } from 'node:net';
import { mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { socketTokens } from '../../../src/tokens/socket-tokens.js';
import { onCleanup } from '../../support/cleanup.js';
import { ask, folderOf, UNKNOWN } from './ask.js';

async function listenAt(path: string) {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onCleanup(() => new Promise((resolve) => server.close(resolve)));
}

describe("issue 18: websockify's UnixDomainSocketDirectory does not resolve ..", () => {
  test('a token names a socket in the folder, and nothing outside', async () => {
    const folder = await folderOf({ 's/x': '', 's2/y': '' });
    const at = (name: string) => join(folder, name);
    await listenAt(at('s/desk'));
    await listenAt(at('outside'));
    // The directory of websockify compares the beginning of the path: `s2` begins with `s`.
    await listenAt(at('s2/desk'));
    await mkdir(at('s/deeper'));
    await listenAt(at('s/deeper/desk'));
    await writeFile(at('s/file'), '');
    await symlink(at('outside'), at('s/link'));
    await symlink('desk', at('s/alias'));
    const source = socketTokens(at('s'));
    const real = await realpath(at('s/desk'));
    expect(await ask(source, 'desk')).toEqual({ target: { socket: real } });
    expect(await ask(source, 'alias')).toEqual({ target: { socket: real } });
    const none = [
      '../outside',
      '../s2/desk',
      at('outside'),
      'deeper/desk',
      'file',
      'link',
      'deeper',
      'none',
      '.',
      '..',
    ];
    for (const token of [...none, 'desk\0', '__proto__', 'x'.repeat(300)])
      expect([token, await ask(source, token)]).toEqual([token, UNKNOWN]);
  });

  test('the folder must exist', () => {
    expect(() => socketTokens('/nowhere')).toThrow(/socketTokens\(\) needs a folder: there is no such file/);
  });
});
