import { once } from 'node:events';
import {
  existsSync,
  lutimesSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { connect as connectTcp, createServer, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { removeStaleSocket } from '../../src/backends/spawn/listening-socket.js';
import { listen as listenLocally } from '../../src/client/index.js';
import { startListening } from '../../src/client/local/local-server.js';
import { wstunnel } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';

import { describeWith, Program } from '../support/programs.js';
import { echoes, openRaw } from '../support/raw-client.js';
import { listen, startTunnel } from '../support/servers.js';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'wstunnel-unix-'));
  onCleanup(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A socket file without a listening program. */
async function leaveBehind(path: string): Promise<void> {
  const server = createServer();
  server.listen(`${path}~`);
  await once(server, 'listening');
  renameSync(`${path}~`, path);
  server.close();
  await once(server, 'close');
  expect(statSync(path).isSocket()).toBe(true);
}

/** A path of exactly `bytes` bytes. */
function pathOf(bytes: number): string {
  const start = `${folder()}/`;
  return start + 'x'.repeat(bytes - start.length);
}

const longest = process.platform === 'linux' ? 107 : 103;

describe('issue 13, case 6: listening on a unix socket with the library', () => {
  test('replaces a socket that a killed program left', async () => {
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

  test('leaves a socket on which a program listens, which is in use', async () => {
    const { url } = await startTunnel();
    const path = join(folder(), 'desk.sock');
    const server = createServer((socket) => socket.on('error', () => undefined).end('still here'));
    await listen(server, path);
    await expect(listenLocally(path, url)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    const [bytes] = (await once(connectTcp(path), 'data')) as [Buffer];
    expect(String(bytes)).toBe('still here');
  });

  test('leaves a file of another kind, which is in use', async () => {
    const path = join(folder(), 'precious');
    writeFileSync(path, 'precious');
    await expect(listenLocally(path, 'ws://127.0.0.1/')).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(existsSync(path)).toBe(true);
  });

  test('refuses a path above the length limit without cutting it, and accepts one at the limit', async () => {
    const { url } = await startTunnel();
    const tooLong = pathOf(longest + 1);
    await expect(listenLocally({ path: tooLong }, url)).rejects.toMatchObject({
      code: 'WSTUNNEL_OPTION',
      message: expect.stringContaining(`at most ${longest} bytes`) as string,
    });
    expect(readdirSync(join(tooLong, '..'))).toEqual([]);
    const path = pathOf(longest);
    const listener = await listenLocally(path, url);
    onCleanup(() => listener.close({ timeout: 0 }));
    expect(statSync(path).isSocket()).toBe(true);
  });
});

describe('issue 13, case 6: a race for the socket of a killed program', () => {
  /** A process that tries to listen at a path. */
  function start(path: string) {
    const server = createServer((socket) => socket.on('error', () => undefined).end('here'));
    onCleanup(() => server.close());
    return { server, result: startListening(server, { path }) };
  }

  async function isServed(path: string): Promise<void> {
    const [bytes] = (await once(connectTcp(path), 'data')) as [Buffer];
    expect(String(bytes)).toBe('here');
  }

  test('one of three programs at once listens and keeps its socket', async () => {
    const inside = folder();
    const path = join(inside, 'desk.sock');
    await leaveBehind(path);
    const results = await Promise.allSettled([1, 2, 3].map(() => start(path).result));
    const reasons = results.filter((one) => one.status === 'rejected').map((one) => one.reason as Error);
    expect(reasons).toMatchObject([{ code: 'EADDRINUSE' }, { code: 'EADDRINUSE' }]);
    await isServed(path);
    expect(readdirSync(inside)).toEqual(['desk.sock']);
  });

  test('a socket that another process is replacing is in use', async () => {
    const path = join(folder(), 'desk.sock');
    await leaveBehind(path);
    symlinkSync('wstunnel-1-other', `${path}.lock`);
    await expect(start(path).result).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(readlinkSync(`${path}.lock`)).toBe('wstunnel-1-other');
  });

  test('the lock of a process that was killed meanwhile is removed after a while', async () => {
    const inside = folder();
    const path = join(inside, 'desk.sock');
    await leaveBehind(path);
    symlinkSync('wstunnel-1-killed', `${path}.lock`);
    const past = Date.now() / 1000 - 60;
    lutimesSync(`${path}.lock`, past, past);
    await start(path).result;
    await isServed(path);
    expect(readdirSync(inside)).toEqual(['desk.sock']);
  });

  test('a foreign file in place of the lock stays', async () => {
    const path = join(folder(), 'desk.sock');
    await leaveBehind(path);
    writeFileSync(`${path}.lock`, 'precious');
    utimesSync(`${path}.lock`, 1, 1);
    await expect(start(path).result).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(existsSync(`${path}.lock`)).toBe(true);
  });

  test('neither success nor failure leaves a listener on the server', async () => {
    const path = join(folder(), 'desk.sock');
    const first = start(path);
    await first.result;
    const second = start(path);
    await expect(second.result).rejects.toMatchObject({ code: 'EADDRINUSE' });
    for (const { server } of [first, second])
      for (const event of ['error', 'listening']) expect(server.listenerCount(event), event).toBe(0);
  });

  test('only the owner can use the socket from the bind on, and the umask is restored', async () => {
    const path = join(folder(), 'desk.sock');
    const modes: number[] = [];
    const listenOfNode: unknown = Reflect.get(Server.prototype, 'listen');
    const spy = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server, ...args) {
      Reflect.apply(listenOfNode as () => void, this, args);
      modes.push(statSync(path).mode & 0o777);
      return this;
    });
    const before = process.umask(0);
    try {
      const { result } = start(path);
      expect(process.umask(0)).toBe(0);
      await result;
    } finally {
      process.umask(before);
      spy.mockRestore();
    }
    expect(modes).toEqual([0o600]);
  });
});

describeWith('python3')(
  'issue 13, case 6: a program that has bound its socket and does not listen yet',
  () => {
    const BIND =
      'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); print("bound", flush=True)';
    const THEN = 'sys.stdin.readline(); s.listen(); print("listens", flush=True); sys.stdin.readline()';

    test.runIf(process.platform === 'linux')(
      'keeps its socket, whatever notation of the path another program uses',
      async () => {
        const real = folder();
        const linked = join(folder(), 'link');
        symlinkSync(real, linked);
        const ways = [
          [join(real, 'a.sock'), join(linked, 'a.sock')],
          [join(linked, 'b.sock'), join(real, 'b.sock')],
        ] as const;
        for (const [bound, path] of ways) {
          const program = new Program('python3', ['-c', `${BIND}; ${THEN}`, bound], {}, 'pipe');
          await program.prints(/bound/);
          await expect(listenLocally(path, 'ws://127.0.0.1/')).rejects.toMatchObject({ code: 'EADDRINUSE' });
          await expect(removeStaleSocket(path)).rejects.toThrow('another process listens');
          program.process.stdin?.write('\n');
          await program.prints(/listens/);
          const client = connectTcp(path);
          await once(client, 'connect');
          client.destroy();
        }
      },
    );
  },
);

test("issue 13, case 6: a target's path above the length limit is refused and not cut", () => {
  const tooLong = `/${'x'.repeat(longest)}`;
  expect(() => wstunnel({ server: { socket: tooLong } })).toThrow(`a path of at most ${longest} bytes`);
  expect(() => wstunnel({ server: { host: tooLong } })).toThrow('server.host must be a path of at most');
});

describe('issue 13, case 14: abstract sockets', () => {
  const name = `wstunnel-spec-${process.pid}`;

  test.runIf(process.platform === 'linux')('can be a target in either notation', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
    await listen(server, `\0${name}`);
    for (const socket of [`@${name}`, `\0${name}`]) {
      const { port, tunnel } = await startTunnel({ server: { socket } });
      expect(tunnel.stats().backends[0]?.id).toBe(`unix:@${name}`);
      const client = await openRaw(port, '/tunnel');
      await echoes(client);
    }
  });

  test("are refused by the client's listen(), since no file mode would protect them", async () => {
    await expect(listenLocally(`@${name}`, 'ws://127.0.0.1/')).rejects.toMatchObject({
      code: 'WSTUNNEL_OPTION',
      message: expect.stringMatching(
        /local can't be listened on \(an abstract socket has no permissions/,
      ) as string,
    });
    await expect(listenLocally({ path: `\0${name}` }, 'ws://127.0.0.1/')).rejects.toThrow('abstract socket');
    expect(existsSync(`@${name}`)).toBe(false);
  });

  test('are refused for programs', () => {
    const server = { socket: `@${name}`, spawn: { path: 'true' } };
    expect(() => wstunnel({ server })).toThrow('server.socket must be a path: spawn');
  });
});
