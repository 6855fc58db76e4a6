import { once } from 'node:events';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type {
  BackendInfo,
  Host,
  RefuseInfo,
  SpawnOptions,
  Tunnel,
  TunnelOptions,
} from '../../../src/index.js';
import { onCleanup } from '../../support/cleanup.js';
import { describeWith, Program } from '../../support/programs.js';
import { echoes, openRaw, type RawClient, requestTunnel } from '../../support/raw-client.js';
import { closedPort, listen, startBackend, startTunnel } from '../../support/servers.js';
import { GREETER, INHERITOR, isAlive, Marked, node, shell, temporaryFolder } from '../../support/spawned.js';
import { until } from '../../support/wait.js';

/** A tunnel in front of a marked program. */
async function start(spawn: SpawnOptions, host: Host = {}, options: Partial<TunnelOptions> = {}) {
  const marked = new Marked();
  const server = { ...host, spawn: marked.mark(spawn) };
  const site = await startTunnel({ server, ...options });
  const refusals: RefuseInfo[] = [];
  const backends: BackendInfo[] = [];
  site.tunnel.on('refuse', (info) => refusals.push(info));
  site.tunnel.on('backend', (info) => backends.push(info));
  return { ...site, marked, refusals, backends };
}

async function knock(port: number, path = '/tunnel') {
  const client = requestTunnel(port, path);
  const { status } = await client.answer();
  const body = status === 101 ? '' : (await client.rest()).toString();
  return { status, body, client };
}

/** The greeting of a program: its process id. */
async function pidOf(client: RawClient): Promise<number> {
  return Number((await client.shows(/^\d+\n/))[0]);
}

async function open(port: number, path = '/tunnel') {
  const client = await openRaw(port, path);
  return { client, pid: await pidOf(client) };
}

async function leave(client: RawClient, tunnel: Tunnel, left = 0): Promise<void> {
  client.socket.destroy();
  await until(() => tunnel.stats().open === left);
}

/** The parent folder of the private sockets' folders. */
async function privateFolders(): Promise<() => Promise<string[]>> {
  const parent = await temporaryFolder();
  vi.stubEnv('TMPDIR', parent);
  onCleanup(() => vi.unstubAllEnvs());
  return () => readdir(parent);
}

/** A program that listens itself at the given address. */
const greeter = (more: Partial<SpawnOptions> = {}) => node(GREETER, { handOver: false, ...more });

describe('the listening socket', () => {
  test.each([
    ['in a private folder', {}],
    ['on a port', { port: 0 }],
    ['on an IPv6 port', { host: '::1', port: 0 }],
    ['at a path', { socket: 'given' }],
  ])('is passed as descriptor 0: %s', async (_, given: Host) => {
    const host = { ...given };
    if (host.port === 0) host.port = await closedPort();
    if (host.socket) host.socket = join(await temporaryFolder(), 'given');
    const { port, tunnel, marked } = await start(node(INHERITOR, { maxLoadPerProc: 0 }), host);
    // A burst: the program must accept every connection, and the app none.
    const all = await Promise.all(Array.from({ length: 20 }, () => open(port)));
    await Promise.all(all.map(({ client }) => echoes(client)));
    expect(new Set(all.map(({ pid }) => pid)).size).toBe(1);
    expect(marked.programs()).toEqual([all[0]?.pid]);
    await tunnel.close({ timeout: 0.2 });
    await marked.none();
  });

  test('belongs to the program: other users cannot connect to it', async () => {
    const folders = await privateFolders();
    const { port, tunnel } = await start(node(INHERITOR));
    await open(port);
    const [folder] = await folders();
    const { mode } = await stat(join(process.env.TMPDIR ?? '', folder ?? ''));
    expect(mode & 0o777).toBe(0o700);
    await tunnel.close({ timeout: 0.2 });
    expect(await folders()).toEqual([]);
  });

  test('a program that listens itself gets the address in its environment or arguments', async () => {
    const folder = await temporaryFolder();
    const byArgument = GREETER.replace('process.env.WSTUNNEL_SOCKET', 'process.argv[1]');
    const byPort = GREETER.replace('process.env.WSTUNNEL_SOCKET', 'process.env.WSTUNNEL_PORT, "127.0.0.1"');
    const byOwnName = GREETER.replace('process.env.WSTUNNEL_SOCKET', 'process.env.MINE');
    const literal = join(folder, 'literal');
    const literalPort = await closedPort();
    const sites = [
      await start(greeter()),
      await start(greeter(), { socket: join(folder, 'configured') }),
      await start({ path: process.execPath, args: ['-e', byArgument, '{socket}'] }),
      await start(node(byPort, { handOver: false }), { port: await closedPort() }),
      await start(node(byOwnName, { environment: { MINE: '{socket}' } })),
      await start(
        { path: process.execPath, args: ['-e', byArgument, literal], maxProcs: 1 },
        { socket: literal },
      ),
      await start(
        { path: process.execPath, args: ['-e', byArgument, String(literalPort)], maxProcs: 1 },
        { port: literalPort },
      ),
    ];
    for (const { port } of sites) await echoes((await open(port)).client);
  });

  test('each process has a separate address, counted from the configured one', async () => {
    const socket = join(await temporaryFolder(), 'desk');
    const { port, marked, tunnel } = await start(greeter(), { socket });
    const [one, two] = [await open(port), await open(port)];
    const told = await Promise.all(
      [one, two].map(async ({ pid }) => {
        const text = await readFile(`/proc/${pid}/environ`, 'latin1');
        return /WSTUNNEL_SOCKET=([^\0]*)/.exec(text)?.[1];
      }),
    );
    expect(told).toEqual([socket, `${socket}-1`]);
    expect(marked.programs()).toHaveLength(2);
    await tunnel.close({ timeout: 0.2 });
    expect(await readdir(join(socket, '..'))).toEqual([]);
  });

  test('a socket that a dead program left is replaced', async () => {
    const socket = join(await temporaryFolder(), 'stale');
    const dead = new Program('sh', [
      '-c',
      `exec ${process.execPath} -e 'require("net").createServer().listen("${socket}", () => process.kill(process.pid, 9))'`,
    ]);
    await once(dead.process, 'exit');
    for (const spawn of [greeter(), node(INHERITOR)]) {
      const { port, tunnel } = await start(spawn, { socket });
      await echoes((await open(port)).client);
      await tunnel.close({ timeout: 0.2 });
    }
  });
});

describe('another program at the address', () => {
  const served = vi.fn();

  test.each([
    ['a port', node(INHERITOR)],
    ['a port', greeter()],
  ])('%s: is not mistaken for the program', async (_, spawn) => {
    const foreign = await startBackend(served);
    const { port, marked, backends } = await start(spawn, { port: foreign.port });
    expect((await knock(port)).status).toBe(502);
    expect(backends[0]?.reason).toContain('EADDRINUSE');
    expect(served).not.toHaveBeenCalled();
    await marked.none();
  });

  test.each([['handed over', node(INHERITOR)] as const, ['told', greeter()] as const])(
    'on a unix socket, %s: is not mistaken for the program, and the socket stays',
    async (_, spawn) => {
      const socket = join(await temporaryFolder(), 'theirs');
      const data = vi.fn();
      const server = createServer((peer) => peer.on('data', data).on('error', () => undefined));
      await listen(server, socket);
      const { port, tunnel, backends } = await start(spawn, { socket });
      expect((await knock(port)).status).toBe(502);
      expect(backends[0]?.reason).toContain('another process listens');
      await tunnel.close({ timeout: 0.2 });
      const client = connect(socket);
      await once(client, 'connect');
      client.destroy();
      expect(data).not.toHaveBeenCalled();
    },
  );

  test('a file at the address stays', async () => {
    const socket = join(await temporaryFolder(), 'file');
    await writeFile(socket, 'precious');
    const { port, backends } = await start(greeter(), { socket });
    expect((await knock(port)).status).toBe(502);
    expect(backends[0]?.reason).toContain('is not a socket');
    expect(await readFile(socket, 'utf8')).toBe('precious');
  });
});

describe('the environment of a program', () => {
  const TELL = `require('net').createServer((s) => s.end(JSON.stringify(process.env))).listen({ fd: 0 });`;
  async function environmentOf(spawn: SpawnOptions): Promise<Record<string, string>> {
    const { port } = await start(spawn);
    const client = await openRaw(port);
    let text = '';
    for (let next = await client.frame(); next?.opcode === 2; next = await client.frame())
      text += next.payload.toString();
    return JSON.parse(text) as Record<string, string>;
  }

  test('contains only variables of the app that a program needs to run', async () => {
    vi.stubEnv('SESSION_SECRET', 'hush');
    onCleanup(() => vi.unstubAllEnvs());
    const told = await environmentOf(node(TELL));
    expect(told.PATH).toBe(process.env.PATH);
    expect(told).not.toHaveProperty('SESSION_SECRET');
    expect(JSON.stringify(told)).not.toContain('hush');
  });

  test('contains exactly what copyEnvironment names and `environment` sets', async () => {
    vi.stubEnv('ONE', '1');
    vi.stubEnv('TWO', '2');
    onCleanup(() => vi.unstubAllEnvs());
    const environment = { GREETING: 'good day; $(id) "x"\n', TWO: 'own' };
    const told = await environmentOf(node(TELL, { copyEnvironment: ['ONE', 'TWO'], environment }));
    expect(told).toMatchObject({ ONE: '1', ...environment });
    expect(told).not.toHaveProperty('HOME');
    expect(told).not.toHaveProperty('PATH');
  });

  test('appears in no event, statistic or answer', async () => {
    const { port, tunnel, backends, refusals } = await start(
      shell('exit 3', { environment: { PASSWORD: 'hush' } }),
    );
    const { body } = await knock(port);
    expect(JSON.stringify([tunnel.stats(), backends, refusals, body])).not.toContain('hush');
    expect(JSON.stringify(tunnel.stats())).toContain('/sh"');
  });
});

describe('the processes of a host', () => {
  test('are one per tunnel up to maxProcs, then requests get 503', async () => {
    const { port, marked, refusals, tunnel } = await start(greeter({ maxProcs: 3 }));
    const all = await Promise.all([open(port), open(port), open(port)]);
    expect(new Set(all.map(({ pid }) => pid)).size).toBe(3);
    expect((await knock(port)).status).toBe(503);
    expect(refusals.map(({ code }) => code)).toEqual(['WSTUNNEL_FULL']);
    expect(marked.programs()).toHaveLength(3);
    // The slot is free again, and so is the process.
    await leave(all[1].client, tunnel, 2);
    expect((await open(port)).pid).toBe(all[1].pid);
  });

  test('share tunnels up to maxLoadPerProc, and the least loaded gets the next tunnel', async () => {
    const { port, marked } = await start(greeter({ maxProcs: 2, maxLoadPerProc: 2, minProcs: 2 }));
    const pids: number[] = [];
    for (let i = 0; i < 4; i++) pids.push((await open(port)).pid);
    expect(pids[0]).not.toBe(pids[1]);
    expect([...pids].sort()).toEqual([pids[0], pids[0], pids[1], pids[1]].sort());
    expect((await knock(port)).status).toBe(503);
    expect(marked.programs()).toHaveLength(2);
  });

  test('a burst above the limit gets as many tunnels as there are slots', async () => {
    const { port, marked } = await start(greeter({ maxProcs: 4 }));
    const statuses = await Promise.all(Array.from({ length: 12 }, async () => (await knock(port)).status));
    expect(statuses.filter((status) => status === 101)).toHaveLength(4);
    expect(statuses.filter((status) => status === 503)).toHaveLength(8);
    expect(marked.programs()).toHaveLength(4);
  });

  test('are shared by equal options that a function returns, and by no others', async () => {
    const marked = new Marked();
    const server = (req: IncomingMessage): Host => ({
      spawn: marked.mark(greeter({ environment: { OWNER: req.url ?? '' }, maxLoadPerProc: 0 })),
    });
    const { port, tunnel } = await startTunnel({ server });
    const [ann, again, bob] = [
      await open(port, '/tunnel/ann'),
      await open(port, '/tunnel/ann'),
      await open(port, '/tunnel/bob'),
    ];
    expect(again.pid).toBe(ann.pid);
    expect(bob.pid).not.toBe(ann.pid);
    await tunnel.close({ timeout: 0.2 });
    await marked.none();
  });

  test('with idleTimeout 0 no process is used twice, and no address is used by two at once', async () => {
    const { port, tunnel, marked } = await start(greeter({ maxProcs: 1, idleTimeout: 0 }));
    const pids = new Set<number>();
    for (let i = 0; i < 5; i++) {
      const { client, pid } = await open(port);
      pids.add(pid);
      await leave(client, tunnel);
    }
    expect(pids.size).toBe(5);
    await marked.none();
  });

  test('end after idleTimeout without tunnels, except minProcs', async () => {
    const { port, tunnel, marked } = await start(greeter({ idleTimeout: 0.3, minProcs: 1 }));
    await until(() => marked.programs().length === 1);
    const all = await Promise.all([open(port), open(port), open(port)]);
    expect(marked.programs()).toHaveLength(3);
    for (const { client } of all) client.socket.destroy();
    await until(() => marked.programs().length === 1);
    const kept = marked.programs();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(marked.programs()).toEqual(kept);
    // A process with a tunnel is not idle, however long the tunnel lasts.
    const { client } = await open(port);
    await new Promise((resolve) => setTimeout(resolve, 700));
    await echoes(client);
    expect(marked.programs()).toHaveLength(1);
    await tunnel.close({ timeout: 0.2 });
    await marked.none();
  });

  test('minProcs run before the first tunnel, and again after one of them died', async () => {
    const { port, marked } = await start(greeter({ minProcs: 2 }));
    await until(() => marked.programs().length === 2);
    const before = marked.programs();
    const { client, pid } = await open(port);
    expect(before).toContain(pid);
    process.kill(pid, 'SIGKILL');
    expect((await client.close())?.code).toBeOneOf([1000, 1011]);
    await until(() => marked.programs().length === 2 && !marked.programs().includes(pid));
  });

  test('a program that listened for one connection is replaced although it has not exited yet', async () => {
    const once = GREETER.replace('.createServer(', '.createServer(function ').replace('(s) =>', '(s)');
    const code = once.replace('s.pipe(s);', 's.pipe(s); this.close();');
    const { port, tunnel, marked } = await start(
      node(`${code} setInterval(() => {}, 1000);`, { handOver: false, maxProcs: 2 }),
    );
    const pids = new Set<number>();
    for (let i = 0; i < 4; i++) {
      const { client, pid } = await open(port);
      pids.add(pid);
      await leave(client, tunnel);
    }
    expect(pids.size).toBe(4);
    await tunnel.close({ timeout: 0.2 });
    await marked.none();
  });

  test('a program for one connection may exit with it', async () => {
    const once = GREETER.replace('s.pipe(s);', "s.pipe(s); s.on('close', () => process.exit(0));");
    const { port, tunnel, marked, backends } = await start(node(once, { handOver: false, maxProcs: 1 }));
    for (let i = 0; i < 3; i++) {
      const { client } = await open(port);
      await echoes(client);
      await leave(client, tunnel);
      await marked.none();
    }
    expect(backends).toEqual([]);
  });
});

describe('a failing program', () => {
  test.each([
    ['exits at once', shell('exit 7'), 'ended with code 7'],
    ['exits at once and in order', shell('exit 0'), 'ended with code 0'],
    ['exits at once, and should listen itself', shell('exit 7', { handOver: false }), 'ended with code 7'],
    ['kills itself', shell('kill -9 $$'), 'ended by SIGKILL'],
    ['kills its whole group', shell('kill -9 0'), 'ended by SIGKILL'],
    ['exits while it is waited for', shell('sleep 0.1; exit 9', { handOver: false }), 'ended with code 9'],
    ['forks away', shell('sleep 300 & exit 0'), 'ended with code 0'],
    ['forks away into its own session', shell('setsid sleep 300 & sleep 0.1; exit 0'), 'ended with code 0'],
    [
      'becomes a daemon that listens',
      // The parent is a shell, which exits at once: a slower parent would still run when the child listens.
      shell('exec 3<&0; setsid "$NODE" -e "$CODE" <&3 & exit 0', {
        environment: { NODE: process.execPath, CODE: INHERITOR },
      }),
      'ended with code 0',
    ],
  ])('that %s: 502, the reason in the event only, and nothing left behind', async (_, spawn, reason) => {
    const { port, marked, refusals, backends } = await start(spawn);
    const { status, body } = await knock(port);
    expect(status).toBe(502);
    expect(body).toBe('the backend could not be reached\n');
    expect(backends).toEqual([
      {
        id: expect.stringMatching(/^spawn:\w+#[0-9a-f]+$/) as string,
        up: false,
        reason: `the program ${reason}`,
      },
    ]);
    expect(refusals).toMatchObject([{ status: 502, code: 'WSTUNNEL_BACKEND_REFUSED' }]);
    await marked.none();
  });

  test('that cannot be executed: 502', async () => {
    const path = join(await temporaryFolder(), 'program');
    await writeFile(path, '#!/nowhere/interpreter\n');
    await chmod(path, 0o755);
    const { port, marked, backends } = await start({ path });
    expect((await knock(port)).status).toBe(502);
    expect(backends[0]?.reason).toMatch(/ended with code 12[67]/);
    await marked.none();
  });

  test('that never listens: 504 after connectTimeout, and nothing left behind', async () => {
    const { port, marked, backends } = await start(shell('exec sleep 300', { handOver: false }), {
      connectTimeout: 0.3,
    });
    expect((await knock(port)).status).toBe(504);
    expect(backends[0]?.reason).toBe('the program did not listen within 0.3 s');
    await marked.none();
  });

  test('that ignores its signal is killed together with its children', async () => {
    const stubborn = `process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {}); ${INHERITOR}`;
    const forks = `require('child_process').spawn('sh', ['-c', "trap '' TERM HUP; sleep 300; sleep 300"]); ${stubborn}`;
    const { port, marked, tunnel } = await start(node(forks));
    await open(port);
    await until(() => marked.programs().length >= 2);
    const before = performance.now();
    await tunnel.close({ timeout: 0.3 });
    expect(marked.pids()).toEqual([]);
    // close() must not return by giving up after five seconds.
    expect(performance.now() - before).toBeLessThan(5000);
  });

  test('a program that handles killSignal can finish its work', async () => {
    const folder = await temporaryFolder();
    const said = join(folder, 'said');
    const polite = `process.on('SIGUSR1', () => setTimeout(() => { require('fs').writeFileSync(${JSON.stringify(said)}, 'bye'); process.exit(0); }, 200)); ${INHERITOR}`;
    const { port, tunnel, marked } = await start(node(polite, { killSignal: 'SIGUSR1' }));
    await open(port);
    await tunnel.close();
    expect(await readFile(said, 'utf8')).toBe('bye');
    expect(marked.pids()).toEqual([]);
  });

  test('that prints endlessly neither blocks nor fills the app', async () => {
    const flood = `const line = 'x'.repeat(65536); const print = () => process.stdout.write(line, print); print(); ${INHERITOR}`;
    const { port, tunnel, marked } = await start(node(flood));
    const { client } = await open(port);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 200; i++) {
      await echoes(client);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
    await tunnel.close({ timeout: 0.2 });
    expect(marked.pids()).toEqual([]);
  });

  test('that dies during its tunnel: a Close, and the next tunnel gets a new process', async () => {
    const { port, marked } = await start(node(INHERITOR));
    const first = await open(port);
    // A program that exits within a second counts as broken.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    process.kill(first.pid, 'SIGKILL');
    expect((await first.client.close())?.code).toBeOneOf([1000, 1011]);
    await marked.none();
    expect((await open(port)).pid).not.toBe(first.pid);
  });

  test('is restarted after 1, 2, 4 ... 60 seconds, and not for each request', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onCleanup(() => vi.useRealTimers());
    const count = join(await temporaryFolder(), 'count');
    await writeFile(count, '');
    const starts = async () => (await readFile(count, 'utf8')).length;
    const { port, refusals } = await start(shell(`printf x >> ${count}; exit 1`, { handOver: false }), {
      disableTime: 0,
    });
    let expected = 0;
    for (const wait of [1, 2, 4, 8, 16, 32, 60, 60]) {
      expect((await knock(port)).status).toBe(502);
      expect(await starts()).toBe(++expected);
      vi.advanceTimersByTime(wait * 1000 - 1);
      expect((await knock(port)).status).toBe(502);
      expect(await starts()).toBe(expected);
      vi.advanceTimersByTime(1);
    }
    expect(new Set(refusals.map(({ code }) => code))).toEqual(new Set(['WSTUNNEL_BACKEND_REFUSED']));
  });

  test('among several hosts: the next host is tried', async () => {
    const marked = new Marked();
    const server = [{ spawn: marked.mark(shell('exit 1')) }, { spawn: marked.mark(greeter()) }];
    const { port } = await startTunnel({ server });
    await echoes((await open(port)).client);
  });

  test('of minProcs is reported, and is not restarted endlessly', async () => {
    const count = join(await temporaryFolder(), 'count');
    await writeFile(count, '');
    const { backends } = await start(shell(`printf x >> ${count}; exit 1`, { minProcs: 3 }));
    await until(() => backends.length > 0);
    expect(backends[0]).toMatchObject({ up: false, reason: 'the program ended with code 1' });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await readFile(count, 'utf8')).length).toBeLessThanOrEqual(3);
  });
});

describe('the end of programs', () => {
  test('a client that leaves during the start leaves the program to the next client', async () => {
    const slow = `setTimeout(() => { ${GREETER} }, 300)`;
    const { port, marked, refusals } = await start(node(slow, { handOver: false, maxProcs: 1 }));
    const impatient = requestTunnel(port);
    await until(() => marked.programs().length === 1);
    impatient.socket.destroy();
    await until(() => refusals.length === 1);
    const [pid] = marked.programs();
    expect((await open(port)).pid).toBe(pid);
  });

  test('close() during the start leaves no program, and no tunnel opens later', async () => {
    const { port, tunnel, marked } = await start(shell('exec sleep 300', { handOver: false }));
    const knocking = [knock(port), knock(port)];
    await until(() => marked.programs().length === 2);
    const closed = tunnel.close({ timeout: 0.5 });
    expect((await Promise.all(knocking)).map(({ status }) => status)).toEqual([503, 503]);
    await closed;
    expect(marked.pids()).toEqual([]);
  });

  test('close() right after the start leaves no program', async () => {
    const { tunnel, marked } = await start(greeter({ minProcs: 3 }));
    await tunnel.close({ timeout: 0 });
    expect(marked.pids()).toEqual([]);
  });

  test('leaves no descriptor and no folder', async () => {
    const count = async () => (await readdir('/proc/self/fd')).length;
    const folders = await privateFolders();
    const { port, tunnel, marked } = await start(node(INHERITOR, { idleTimeout: 0 }));
    const round = async () => {
      const { client } = await open(port);
      await leave(client, tunnel);
      await marked.none();
    };
    await round();
    await until(async () => (await folders()).length === 0);
    const descriptors = await count();
    for (let i = 0; i < 5; i++) await round();
    await until(async () => (await count()) <= descriptors);
    await until(async () => (await folders()).length === 0);
  });

  const stubborn = `for (const name of ['SIGTERM', 'SIGHUP', 'SIGINT']) process.on(name, () => {}); ${INHERITOR}`;
  const daemon = `require('child_process').spawn('sleep', ['300'], { detached: true, stdio: 'ignore' }); ${INHERITOR}`;
  test.each([
    ['killed', 'SIGKILL', INHERITOR],
    ['killed, though they ignore their signal', 'SIGKILL', stubborn],
    ['killed, and a daemon of theirs', 'SIGKILL', daemon],
    ['told to end', 'SIGTERM', INHERITOR],
    ['at the end of process.exit()', 'SIGUSR2', INHERITOR],
    ['broken', 'SIGHUP', INHERITOR],
  ] as const)('no program outlives an app that is %s', async (_, signal, code) => {
    const folders = await privateFolders();
    const marked = new Marked();
    const server = { spawn: marked.mark(node(code, { minProcs: 2 })) };
    const app = new Program(process.execPath, [join(import.meta.dirname, 'app.mjs'), JSON.stringify(server)]);
    const [, port] = await app.prints(/PORT=(\d+)/);
    await Promise.all([open(Number(port)), open(Number(port)), open(Number(port))]);
    const pids = marked.pids();
    expect(pids.length).toBeGreaterThanOrEqual(6);
    const exited = once(app.process, 'exit');
    app.process.kill(signal);
    await exited;
    await marked.none();
    await until(async () => (await folders()).length === 0);
  });

  test('a program that cleared its environment ends with the app, if it stays in the process group', async () => {
    const file = join(await temporaryFolder(), 'pid');
    const stubborn = `trap "" TERM HUP; echo $$ > ${file}; while :; do sleep 1; done`;
    const code = `env -i PATH="$PATH" sh -c '${stubborn}' & exec "${process.execPath}" -e "$CODE"`;
    const server = { spawn: shell(code, { environment: { CODE: INHERITOR }, minProcs: 1 }) };
    const app = new Program(process.execPath, [join(import.meta.dirname, 'app.mjs'), JSON.stringify(server)]);
    const [, port] = await app.prints(/PORT=(\d+)/);
    await open(Number(port));
    const pid = Number(await readFile(file, 'utf8'));
    onCleanup(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
    expect(isAlive(pid)).toBe(true);
    app.process.kill('SIGKILL');
    await until(() => !isAlive(pid));
  });

  test('an app without other work can exit while programs run', async () => {
    const marked = new Marked();
    const code = `
      import { wstunnel } from ${JSON.stringify(join(import.meta.dirname, '../../../dist/index.js'))};
      wstunnel({ server: JSON.parse(process.argv[1]) });
      setTimeout(() => {}, 300);`;
    const server = JSON.stringify({ spawn: marked.mark(node(INHERITOR, { minProcs: 1 })) });
    const app = new Program(process.execPath, ['--input-type=module', '-e', code, server]);
    await until(() => marked.programs().length === 1);
    if (app.process.exitCode === null) await once(app.process, 'exit');
    expect(app.process.exitCode).toBe(0);
    await marked.none();
  });
});

describeWith('socat')('socat', () => {
  test('carries tunnels to a program that reads and writes', async () => {
    const spawn = { path: 'socat', args: ['UNIX-LISTEN:{socket}', 'EXEC:cat'] };
    const { port, tunnel, marked } = await start(spawn);
    for (let i = 0; i < 3; i++) {
      const client = await openRaw(port);
      await echoes(client);
      await leave(client, tunnel);
    }
    await marked.none();
  });

  test('carries tunnels on ports', async () => {
    const base = await closedPort();
    const spawn = { path: 'socat', args: ['TCP-LISTEN:{port},bind={host},reuseaddr', 'EXEC:cat'] };
    const { port, marked, tunnel } = await start(spawn, { port: base });
    await echoes(await openRaw(port));
    await tunnel.close({ timeout: 0.2 });
    await marked.none();
  });
});
