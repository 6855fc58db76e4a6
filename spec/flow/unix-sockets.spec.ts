import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listen as listenLocally } from '../../src/client/index.js';
import { wstunnel } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { echoes } from '../support/command.js';
import { openRaw } from '../support/raw-client.js';
import { listen, startTunnel } from '../support/servers.js';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'wstunnel-unix-'));
  onCleanup(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A socket on which no program listens any more. */
async function leaveBehind(path: string): Promise<void> {
  const server = createServer();
  server.listen(`${path}~`);
  await once(server, 'listening');
  renameSync(`${path}~`, path);
  server.close();
  await once(server, 'close');
  expect(statSync(path).isSocket()).toBe(true);
}

/** A path of exactly so many bytes. */
function pathOf(bytes: number): string {
  const start = `${folder()}/`;
  return start + 'x'.repeat(bytes - start.length);
}

const longest = process.platform === 'linux' ? 107 : 103;

describe('issue 13, case 6: the library listens on a unix socket', () => {
  test('a socket that a killed program left is replaced, and works', async () => {
    const { url } = await startTunnel();
    const path = join(folder(), 'desk.sock');
    await leaveBehind(path);
    const listener = await listenLocally(path, url);
    onCleanup(() => listener.close({ timeout: 0 }));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const local = connectTcp(path);
    onCleanup(() => local.destroy());
    local.write('x');
    expect(String(((await once(local, 'data')) as [Buffer])[0])).toBe('x');
  });

  test('a socket on which a program listens is in use, and stays', async () => {
    const { url } = await startTunnel();
    const path = join(folder(), 'desk.sock');
    const server = createServer((socket) => socket.on('error', () => undefined).end('still here'));
    await listen(server, path);
    await expect(listenLocally(path, url)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    const [bytes] = (await once(connectTcp(path), 'data')) as [Buffer];
    expect(String(bytes)).toBe('still here');
  });

  test('a file of another kind is in use, and stays', async () => {
    const path = join(folder(), 'precious');
    writeFileSync(path, 'precious');
    await expect(listenLocally(path, 'ws://127.0.0.1/')).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(existsSync(path)).toBe(true);
  });

  test('a path above the limit is refused and not cut, one at the limit works', async () => {
    const { url } = await startTunnel();
    const tooLong = pathOf(longest + 1);
    await expect(listenLocally({ path: tooLong }, url)).rejects.toMatchObject({
      code: 'WSTUNNEL_OPTION',
      message: expect.stringContaining(`has ${longest} bytes at most`) as string,
    });
    expect(readdirSync(join(tooLong, '..'))).toEqual([]);
    const path = pathOf(longest);
    const listener = await listenLocally(path, url);
    onCleanup(() => listener.close({ timeout: 0 }));
    expect(statSync(path).isSocket()).toBe(true);
  });
});

test("issue 13, case 6: a target's path above the limit is refused and not cut", () => {
  const tooLong = `/${'x'.repeat(longest)}`;
  expect(() => wstunnel({ server: { socket: tooLong } })).toThrow(`a path of at most ${longest} bytes`);
  expect(() => wstunnel({ server: { host: tooLong } })).toThrow('server.host must be a path of at most');
});

describe('issue 13, case 14: abstract sockets', () => {
  const name = `wstunnel-spec-${process.pid}`;

  test.runIf(process.platform === 'linux')('a target is reached, in either notation', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
    await listen(server, `\0${name}`);
    for (const socket of [`@${name}`, `\0${name}`]) {
      const { port, tunnel } = await startTunnel({ server: { socket } });
      expect(tunnel.stats().backends[0]?.id).toBe(`unix:@${name}`);
      const client = await openRaw(port, '/tunnel');
      await echoes(client);
    }
  });

  test('nothing listens there for the client: no mode would keep other users out', async () => {
    await expect(listenLocally(`@${name}`, 'ws://127.0.0.1/')).rejects.toMatchObject({
      code: 'WSTUNNEL_OPTION',
      message: expect.stringMatching(/local can't be listened on \(an abstract socket has no mode/) as string,
    });
    await expect(listenLocally({ path: `\0${name}` }, 'ws://127.0.0.1/')).rejects.toThrow('abstract socket');
    expect(existsSync(`@${name}`)).toBe(false);
  });

  test('no program is started for one', () => {
    const server = { socket: `@${name}`, spawn: { path: 'true' } };
    expect(() => wstunnel({ server })).toThrow('server.socket must be a path: spawn');
  });
});
