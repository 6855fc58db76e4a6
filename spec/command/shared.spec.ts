import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.js';
import { closedPort } from '../support/closed-port.js';
import { onCleanup } from '../support/cleanup.js';
import { CLI, end, files, runCommand, startCommand, type Listening } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { echoes, openRaw, statusOf } from '../support/raw-client.js';
import { askRedis, startRedis } from '../support/redis.js';
import { startBackend, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';
import { filled } from '../shared/replica-sites.js';

const ROOT = join(import.meta.dirname, '../..');
const SECRET = 'very-secret-7f3a';
/** Seconds, for quick outages. */
const QUICK = { ttl: 3, timeout: 1 };

interface Shared extends Listening {
  readonly config: string;
  readonly health: number;
}

/** The command with these settings, and a health port. */
async function start(
  settings: Record<string, unknown>,
  { args = [], env = {}, cli = CLI }: { args?: string[]; env?: Record<string, string>; cli?: string } = {},
): Promise<Shared> {
  const { port } = await startEcho();
  const health = await closedPort();
  const text = JSON.stringify({ listen: '0', server: { port }, health, drain: 1, ...settings });
  const { config } = await files({ config: text });
  const command = await startCommand(['--config', config!, '--log', '-', ...args], env, cli);
  const [, list = ''] = /workers? \(process ([\d, ]+)\)/.exec(command.program.output) ?? [];
  for (const pid of list.split(', ').filter(Boolean)) onCleanup(() => end(Number(pid)));
  return { ...command, config: config!, health };
}

const status = ({ port }: Shared) => statusOf(port, '/');

async function readiness({ health }: Shared): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${health}/readyz`);
  return `${answer.status} ${(await answer.text()).trim()}`;
}

function sharedEvents({ program }: Shared): { up: boolean; reason: string }[] {
  return [...program.output.matchAll(/^\{.*"event":"shared".*\}$/gm)].map(
    ([line]) => JSON.parse(line) as { up: boolean; reason: string },
  );
}

describeWith('redis-server')('--shared', () => {
  test('two commands share limits.total, and one that ends frees its slots', async () => {
    const { port } = await startRedis();
    const settings = { shared: `redis://127.0.0.1:${port}`, limits: { total: 3 } };
    const [one, other] = [await start(settings), await start(settings)];
    for (const { program } of [one, other]) await program.prints(/the shared state at redis:\S+ is reached/);
    await filled(port);
    const clients = [await openRaw(one.port), await openRaw(one.port), await openRaw(other.port)];
    expect([await status(one), await status(other)]).toEqual([503, 503]);
    one.program.process.kill('SIGTERM');
    clients[0]!.socket.destroy();
    clients[1]!.socket.destroy();
    expect(await one.exit()).toBe(0);
    await until(async () => (await status(other)) === 101);
    await echoes(clients[2]!);
  });

  test.each(['redis', 'ioredis'] as const)(
    'rediss: reaches Redis over TLS and checks its certificate, with %s',
    async (name) => {
      const folder = await mkdtemp(join(tmpdir(), 'wstunnel-redis-tls-'));
      onCleanup(() => rm(folder, { recursive: true, force: true }));
      const { key, cert } = makeCertificate();
      const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
      await writeFile(keyFile, key);
      await writeFile(certFile, cert);
      const tls = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', certFile];
      const tlsPort = await closedPort();
      await startRedis(undefined, '--tls-port', String(tlsPort), '--tls-auth-clients', 'no', ...tls);
      const shared = { url: `rediss://localhost:${tlsPort}`, ...QUICK, whenDown: 'refuse' };
      const cli = name === 'redis' ? CLI : await commandWithout('redis');
      const settings = { shared, limits: { total: 1 } };
      const trusting = await start(settings, { env: { NODE_EXTRA_CA_CERTS: certFile }, cli });
      await trusting.program.prints(/the shared state at rediss:\S+ is reached/);
      await until(async () => (await status(trusting)) === 101);
      const doubting = await start(settings, { cli });
      await doubting.program.prints(/cannot be reached \(.*certificate/);
      expect(await status(doubting)).toBe(503);
    },
  );

  test('each worker is a process of its own for Redis, and the limits hold over all workers and commands', async () => {
    const { port } = await startRedis();
    const shared = { url: `redis://127.0.0.1:${port}`, replica: 'desk' };
    const limits = { total: 8 };
    const one = await start({ shared, limits, workers: 2 });
    const other = await start({ shared: shared.url, limits });
    const redis = askRedis(port);
    // Without the mark that the key was not lost, and processes that are about to join.
    const joined = async () =>
      (await redis.zrange('wstunnel:{1}:replicas', '0', '-1'))
        .map((id) => id.replace(/#.*/, ''))
        .filter((name) => name !== '');
    await until(async () => (await joined()).length === 3);
    expect(await joined()).toEqual(expect.arrayContaining(['desk-1', 'desk-2']));
    await filled(port);
    for (let i = 0; i < 7; i++) await openRaw(one.port);
    await openRaw(other.port);
    for (let i = 0; i < 6; i++) expect([await status(one), await status(other)]).toEqual([503, 503]);
  });

  test('a command that was killed and starts again under its name does not get its old counts back', async () => {
    const { port } = await startRedis();
    const shared = { url: `redis://127.0.0.1:${port}`, replica: 'desk', ...QUICK };
    const settings = { shared, limits: { total: 1 } };
    const killed = await start(settings);
    await killed.program.prints(/is reached/);
    await filled(port);
    await openRaw(killed.port);
    killed.program.process.kill('SIGKILL');
    await killed.exit();
    const again = await start(settings);
    await until(async () => (await status(again)) === 101);
  });

  test('the command starts while Redis is down, says so once, and shares its state when Redis is up', async () => {
    const port = await closedPort();
    const command = await start({ shared: { url: `redis://127.0.0.1:${port}`, ...QUICK } });
    const down =
      /the shared state at redis:\S+ cannot be reached \(.*ECONNREFUSED.*\): each process counts only its own/;
    await command.program.prints(down);
    expect(await status(command)).toBe(101);
    expect(await readiness(command)).toBe('200 ok');
    await startRedis(port);
    await command.program.prints(/is reached again/);
    expect(command.program.output.match(/cannot be reached/g)).toHaveLength(1);
    expect(sharedEvents(command).map(({ up }) => up)).toEqual([false, true]);
    expect(sharedEvents(command)[0]!.reason).toContain('ECONNREFUSED');
  });

  test.each([
    [
      'one process',
      {},
      /the shared state at redis:\S+ cannot be reached \(.*\): new tunnels get 503 meanwhile/,
    ],
    ['workers', { workers: 2 }, /worker \d: .* cannot be reached \(.*\): new tunnels get 503 meanwhile/],
  ] as const)(
    'under whenDown "refuse" (%s) an outage refuses new tunnels and clients, and keeps open ones',
    async (_, more, line) => {
      const { port, program } = await startRedis();
      const shared = { url: `redis://127.0.0.1:${port}`, whenDown: 'refuse', ...QUICK };
      const command = await start({ shared, limits: { total: 9 }, ...more });
      await until(async () => (await readiness(command)) === '200 ok');
      await filled(port);
      const client = await openRaw(command.port);
      await program.stop();
      await command.program.prints(line);
      await until(async () => (await readiness(command)) === '503 no shared state');
      expect(await status(command)).toBe(503);
      await echoes(client);
      await startRedis(port);
      await until(async () => (await readiness(command)) === '200 ok');
      await until(async () => (await status(command)) === 101);
      await echoes(client);
    },
    60_000,
  );

  test('counts survive SIGHUP, and a changed address of Redis needs a restart', async () => {
    const { port } = await startRedis();
    const shared = `redis://127.0.0.1:${port}`;
    const command = await start({ shared, limits: { total: 2 } });
    await command.program.prints(/is reached/);
    await filled(port);
    await openRaw(command.port);
    const old = JSON.parse(await readFile(command.config, 'utf8')) as object;
    await writeFile(command.config, JSON.stringify({ ...old, limits: { total: 2, perUser: 1 } }));
    command.program.process.kill('SIGHUP');
    await command.program.prints(/settings were reloaded/);
    expect(command.program.output).not.toMatch(/apply after a restart/);
    await openRaw(command.port);
    expect(await status(command)).toBe(503);
    await writeFile(command.config, JSON.stringify({ ...old, shared: 'redis://127.0.0.1:1' }));
    command.program.process.kill('SIGHUP');
    await command.program.prints(/the shared state.* apply after a restart/);
    expect(await status(command)).toBe(503);
    const members = await askRedis(port).zrange('wstunnel:{1}:replicas', '0', '-1');
    // The member `#` shows that the key was not lost, and is not a replica.
    expect(members.filter((id) => id !== '#')).toHaveLength(1);
  });

  test.each(['redis', 'ioredis'] as const)(
    'the password comes from a file or the environment, and %s never shows it',
    async (name) => {
      const { port } = await startRedis(undefined, '--requirepass', SECRET);
      const { password } = await files({ password: `${SECRET}\n` });
      const url = `redis://default@127.0.0.1:${port}`;
      const cli = name === 'redis' ? CLI : await commandWithout('redis');
      const ways: [string[], Record<string, string>][] = [
        [['--shared', url, '--shared-password-file', password!], {}],
        [['--shared', url], { WSTUNNEL_SHARED_PASSWORD: SECRET }],
      ];
      for (const [args, env] of ways) {
        const command = await start({ limits: { total: 2 } }, { args: [...args, '-v'], env, cli });
        await command.program.prints(/is reached/);
        await until(async () => (await status(command)) === 101);
        const argv = readFileSync(`/proc/${command.program.process.pid}/cmdline`, 'latin1');
        expect(command.program.output + argv).not.toContain(SECRET);
      }
      const wrong = await start(
        {},
        { args: ['--shared', url], env: { WSTUNNEL_SHARED_PASSWORD: 'no-7c1e' }, cli },
      );
      await wrong.program.prints(/cannot be reached \(WRONGPASS/);
      expect(wrong.program.output).not.toContain('no-7c1e');
      expect(sharedEvents(wrong).at(-1)).toMatchObject({ up: false });
    },
    60_000,
  );
});

describe('--shared: errors', () => {
  const refused = async (args: string[]) => {
    const { code, stderr } = await runCommand(['0', '5900', ...args]);
    return `${code} ${stderr}`;
  };

  test.each([
    '127.0.0.1:6379',
    'http://127.0.0.1',
    'redis://',
    'redis://h/x',
    'redis://h/0?a=1',
    'redis://h/#a',
  ])('%s is not accepted as URL', async (url) => {
    expect(await refused(['--shared', url])).toMatch(/^2 .*--shared must be redis:\/\/HOST:PORT/);
  });

  test('a password in the URL is refused with the file and the variable to use, and is not shown', async () => {
    const answer = await refused(['--shared', `redis://:${SECRET}@127.0.0.1`]);
    expect(answer).toMatch(
      /^2 .*no password.*--shared-password-file.*"passwordFile".*WSTUNNEL_SHARED_PASSWORD/,
    );
    expect(answer).not.toContain(SECRET);
    const { config } = await files({
      config: `{ "server": "5900",\n "shared": { "url": "redis://ann:${SECRET}@h" } }`,
    });
    const { code, stderr } = await runCommand(['--config', config!]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/config:2:21: shared\.url must have no password/);
    expect(stderr).not.toContain(SECRET);
  });

  test('faults in JSON are reported with line and column', async () => {
    const { config } = await files({
      config: `{ "server": "5900", "shared": {\n"ttl": 0,\n"whenDown": "locl",\n"prefx": "a:" } }`,
    });
    const { stderr } = await runCommand(['--config', config!, '--check-config']);
    expect(stderr).toMatch(/config:2:8: shared\.ttl must be a number of seconds from 1 to 3600/);
    expect(stderr).toMatch(/config:3:13: shared\.whenDown must be one of.*did you mean "local"/);
    expect(stderr).toMatch(/config:4:1: shared has no "prefx"; did you mean "prefix"/);
    const { names } = await files({
      names: '{ "server": "5900", "shared": { "url": "redis://h", "names": "x" } }',
    });
    expect((await runCommand(['--config', names!])).stderr).toMatch(
      /shared\.names must be one of "hashed", "plain"/,
    );
    const { short } = await files({
      short: '{ "server": "5900", "shared": { "url": "redis://h", "ttl": 3, "timeout": 2 } }',
    });
    expect((await runCommand(['--config', short!])).stderr).toMatch(
      /shared\.timeout must be at most a third/,
    );
    const { none } = await files({ none: '{ "server": "5900", "shared": { "ttl": 30 } }' });
    expect((await runCommand(['--config', none!])).stderr).toMatch(/shared needs a "url"/);
  });

  test('--shared-password-file without --shared is refused', async () => {
    expect(await refused(['--shared-password-file', '/dev/null'])).toMatch(/^2 .*needs --shared/);
  });

  test('--check-config reads the password and does not connect', async () => {
    const { port, connections } = await startCounter();
    const { password, empty } = await files({ password: 'x\n', empty: '\n' });
    const args = ['0', '5900', '--check-config', '--shared', `redis://127.0.0.1:${port}`];
    expect((await runCommand([...args, '--shared-password-file', password!])).code).toBe(0);
    expect(connections()).toBe(0);
    const { code, stderr } = await runCommand([...args, '--shared-password-file', empty!]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/password of the shared state must be the first line/);
  });

  test.each([[[]], [['--check-config']]])(
    'without a client for Redis, %j names the packages to install in each case',
    async (more) => {
      const cli = await commandWithout('redis', 'ioredis');
      const { folder } = await files({});
      const program = programIn(folder!, cli, ['0', '5900', '--shared', 'redis://127.0.0.1', ...more]);
      await once(program.process, 'exit');
      expect(program.process.exitCode).toBe(3);
      expect(program.output).toMatch(
        /npm install express-wstunnel redis;.*npm install --global redis;.*npx --package express-wstunnel --package redis/,
      );
    },
  );

  test('a missing password file is reported with its folder, and an unreadable one with its path', async () => {
    const { folder } = await files({});
    const shared = ['--shared', 'redis://127.0.0.1', '--shared-password-file'];
    expect(await refused([...shared, join(folder!, 'none')])).toContain(
      `there is no such file or folder in ${folder!} (give the path`,
    );
    expect(await refused([...shared, folder!])).toContain(`from its file: ${folder!}: it is a folder`);
    // The text may be the password itself.
    const answer = await refused([...shared, `/no-folder-${SECRET}/${SECRET}`]);
    expect(answer).toMatch(/^3 .*there is no such file or folder \(give the path/);
    expect(answer).not.toContain(SECRET);
  });
});

test('a client for Redis in the current folder is not loaded: the folder may belong to another user', async () => {
  const cli = await commandWithout('redis', 'ioredis');
  const { folder } = await files({});
  for (const name of ['redis', 'ioredis']) {
    await mkdir(join(folder!, 'node_modules', name), { recursive: true });
    await writeFile(join(folder!, 'node_modules', name, 'index.js'), "console.log('loaded')");
  }
  const program = programIn(folder!, cli, ['0', '5900', '--shared', 'redis://127.0.0.1']);
  await once(program.process, 'exit');
  expect([program.process.exitCode, program.output.includes('loaded')]).toEqual([3, false]);
});

/** The command, started in another folder. */
function programIn(folder: string, cli: string, args: string[]): Program {
  return new Program('sh', ['-c', 'cd "$0" && exec "$@"', folder, process.execPath, cli, ...args]);
}

/** A server that counts its connections. */
async function startCounter(): Promise<{ port: number; connections: () => number }> {
  let count = 0;
  const { port } = await startBackend(() => {
    count++;
  });
  return { port, connections: () => count };
}

/** A copy of the command, in a folder where these packages are not installed. */
async function commandWithout(...names: string[]): Promise<string> {
  const { folder } = await files({});
  await cp(join(ROOT, 'dist'), join(folder!, 'dist'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(folder!, 'package.json'));
  await mkdir(join(folder!, 'node_modules'));
  for (const name of await readdir(join(ROOT, 'node_modules')))
    if (!name.startsWith('.') && !names.includes(name))
      await symlink(join(ROOT, 'node_modules', name), join(folder!, 'node_modules', name));
  return join(folder!, 'dist/cli.js');
}
