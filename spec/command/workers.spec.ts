import { readdir, readFile, writeFile } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.js';
import {
  end,
  files,
  nameAt,
  runCommand,
  startCommand,
  startNamed,
  type Listening,
} from '../support/command.js';
import { onCleanup } from '../support/cleanup.js';
import { closeFrame, echoes, openRaw, statusOf, type RawClient } from '../support/raw-client.js';
import { accepts, listen, portOf, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

/** Most tunnels that a test opens until each worker has one. */
const MOST = 200;

interface Workers extends Listening {
  /** The processes at the start. */
  readonly pids: readonly number[];
}

async function startWorkers(args: string[], count = 2): Promise<Workers> {
  const command = await startCommand([...args, '--workers', String(count), '--log', '-', '--drain', '1']);
  const [, list = ''] = await command.program.prints(/workers? \(process ([\d, ]+)\)/);
  const pids = list.split(', ').map(Number);
  onCleanup(() => pids.forEach((pid) => end(pid)));
  return { ...command, pids };
}

/** The workers of the `open` events so far, in order. */
function openedAt({ program }: Listening): number[] {
  return [...program.output.matchAll(/"event":"open".*"worker":(\d+)\}$/gm)].map(([, worker]) =>
    Number(worker),
  );
}

/** A tunnel at each worker. */
async function tunnelAtEach(command: Workers): Promise<Map<number, RawClient>> {
  const found = new Map<number, RawClient>();
  for (let opened = openedAt(command).length; found.size < command.pids.length && opened < MOST; opened++) {
    const client = await openRaw(command.port);
    await until(() => openedAt(command).length > opened);
    const worker = openedAt(command)[opened]!;
    if (found.has(worker)) client.socket.destroy();
    else found.set(worker, client);
  }
  expect(found.size).toBe(command.pids.length);
  return found;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const basic = (name: string, password: string) => ({
  Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});

describe('--workers', () => {
  test('serves tunnels in each worker, and events name the worker', async () => {
    const { port } = await startEcho();
    const command = await startWorkers(['0', String(port)]);
    expect(command.program.output.match(/listening on/g)).toHaveLength(1);
    for (const client of (await tunnelAtEach(command)).values()) await echoes(client);
  });

  test('a killed worker is replaced, while the other tunnels stay open and new clients are accepted', async () => {
    const { port } = await startEcho();
    const command = await startWorkers(['0', String(port)]);
    const clients = await tunnelAtEach(command);
    end(command.pids[0]!);
    await clients.get(1)!.ended();
    // Until the replacement serves, the other worker accepts every connection.
    for (let i = 0; i < 20; i++) (await openRaw(command.port)).socket.destroy();
    await echoes(clients.get(2)!);
    const [, pid = ''] = await command.program.prints(/worker 1 serves again, as process (\d+)/);
    onCleanup(() => end(Number(pid)));
    expect(command.program.output).toMatch(/worker 1 ended \(SIGKILL\); a new one starts/);
    const before = openedAt(command).length;
    await until(async () => {
      (await openRaw(command.port)).socket.destroy();
      return openedAt(command).slice(before).includes(1);
    });
  });

  test('while a worker has no replacement, another worker accepts its connections', async () => {
    const { port } = await startEcho();
    const valid = JSON.stringify({ listen: '0', server: { port } });
    const { config } = await files({ config: valid });
    const command = await startWorkers(['--config', config!]);
    await writeFile(config!, '{');
    end(command.pids[0]!);
    await command.program.prints(
      /config:1:2: invalid JSON[^]*worker 1 ended \(exit code 3\); a new one starts in 1 s/,
    );
    for (let i = 0; i < 20; i++) (await openRaw(command.port)).socket.destroy();
    expect(new Set(openedAt(command))).toEqual(new Set([2]));
    await writeFile(config!, valid);
    command.program.process.kill('SIGHUP');
    const [, pid = ''] = await command.program.prints(/worker 1 serves again, as process (\d+)/);
    onCleanup(() => end(Number(pid)));
  });

  test('SIGHUP reloads every worker, and an invalid file changes none', async () => {
    const [a, b] = [await startNamed('a'), await startNamed('b')];
    const { config } = await files({ config: JSON.stringify({ listen: '0', server: { port: a } }) });
    const command = await startWorkers(['--config', config!]);
    const reload = async (text: string, answer: RegExp) => {
      const before = command.program.output.length;
      await writeFile(config!, text);
      command.program.process.kill('SIGHUP');
      await until(() => answer.test(command.program.output.slice(before)));
      return command.program.output.slice(before);
    };
    const names = async () =>
      new Set(await Promise.all(Array.from({ length: 30 }, () => nameAt(command.port))));
    expect(await names()).toEqual(new Set(['a']));
    const done = await reload(JSON.stringify({ listen: '0', server: { port: b } }), /settings were reloaded/);
    expect(done.match(/settings were reloaded/g)).toHaveLength(1);
    expect(await names()).toEqual(new Set(['b']));
    const failed = await reload('{ "server": 1 }', /old settings stay in force/);
    expect(failed.match(/old settings stay in force/g)).toHaveLength(1);
    expect(await names()).toEqual(new Set(['b']));
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s drains every worker, and the exit code is 0',
    async (name) => {
      const { port } = await startEcho();
      const command = await startWorkers(['0', String(port)]);
      const clients = [...(await tunnelAtEach(command)).values()];
      command.program.process.kill(name);
      for (const client of clients) {
        expect(await client.close()).toMatchObject({ code: 1001 });
        client.send(closeFrame(1001)).socket.end();
      }
      expect(await accepts({ port: command.port })).toBe(false);
      expect(await command.exit()).toBe(0);
      expect(command.pids.filter(isAlive)).toEqual([]);
    },
  );

  test('a second SIGTERM ends the command at once', async () => {
    const { port } = await startEcho();
    const command = await startCommand(['0', String(port), '--workers', '2', '--drain', '3600']);
    const client = await openRaw(command.port);
    command.program.process.kill('SIGTERM');
    expect(await client.close()).toMatchObject({ code: 1001 });
    command.program.process.kill('SIGTERM');
    expect(await command.exit()).toBe(143);
  });

  test('signals of the whole process group drain once', async () => {
    const { port } = await startEcho();
    const command = await startWorkers(['0', String(port)]);
    const clients = [...(await tunnelAtEach(command)).values()];
    for (const pid of command.pids) process.kill(pid, 'SIGTERM');
    for (const client of clients) expect(await client.close()).toMatchObject({ code: 1001 });
    command.program.process.kill('SIGTERM');
    await until(async () => !(await accepts({ port: command.port })));
    // A second signal would end the workers at once, without an event for the end of the tunnel.
    for (const client of clients) client.send(closeFrame(1001)).socket.end();
    expect(await command.exit()).toBe(0);
    for (const worker of [1, 2])
      expect(command.program.output).toMatch(
        new RegExp(`"event":"close".*"code":1001,.*"worker":${worker}\\}`),
      );
  });

  test('--record records each tunnel in a file, in whichever worker', async () => {
    const { port } = await startEcho();
    const { folder } = await files({});
    const command = await startWorkers(['0', String(port), '--record', join(folder!, 'rec')]);
    const clients = await tunnelAtEach(command);
    for (const client of clients.values()) await echoes(client);
    for (const client of clients.values()) client.socket.destroy();
    const count = openedAt(command).length;
    await until(async () => {
      const names = await readdir(join(folder!, 'rec'));
      return names.length === count && names.every((name) => name.endsWith('.wsrec'));
    });
  });

  test('SIGTERM to a worker drains this worker, which is then replaced', async () => {
    const { port } = await startEcho();
    const command = await startWorkers(['0', String(port)]);
    const clients = await tunnelAtEach(command);
    process.kill(command.pids[1]!, 'SIGTERM');
    expect(await clients.get(2)!.close()).toMatchObject({ code: 1001 });
    for (let i = 0; i < 20; i++) (await openRaw(command.port)).socket.destroy();
    const [, pid = ''] = await command.program.prints(/worker 2 serves again, as process (\d+)/);
    onCleanup(() => end(Number(pid)));
    await echoes(clients.get(1)!);
  });

  test('a worker that dies repeatedly is started at growing intervals, until the command ends', async () => {
    const { port } = await startEcho();
    const command = await startWorkers(['0', String(port)], 1);
    end(command.pids[0]!);
    for (let death = 1; death < 5; death++) {
      const next = new RegExp(`(?:serves again, as process (\\d+)[^]*?){${death}}`);
      const [, pid = ''] = await command.program.prints(next);
      end(Number(pid));
    }
    expect(await command.exit()).toBe(1);
    const { output } = command.program;
    expect([...output.matchAll(/a new one starts in (\d+) s/g)].map(([, pause]) => pause)).toEqual([
      '1',
      '2',
      '4',
    ]);
    expect(output).toMatch(/no worker stays alive: ending\n$/);
  }, 60_000);

  test('kill -9 of the supervisor ends the workers, with Close 1001', async () => {
    const { port } = await startEcho();
    const command = await startWorkers(['0', String(port)]);
    const clients = [...(await tunnelAtEach(command)).values()];
    command.program.process.kill('SIGKILL');
    for (const client of clients) expect(await client.close()).toMatchObject({ code: 1001 });
    await until(() => !command.pids.some(isAlive));
    expect(await accepts({ port: command.port })).toBe(false);
  });

  test('the login cookie of one worker is valid at every worker, and after its replacement', async () => {
    const { port } = await startEcho();
    const made = await files({ secret: 'right\n', 'index.html': 'desk' });
    const args = ['--auth', `ann:${made.secret!}`, '--web', made.folder!];
    const command = await startWorkers(['0', String(port), ...args]);
    const page = await fetch(command.url, { headers: { ...basic('ann', 'right'), Connection: 'close' } });
    const Cookie = page.headers.get('set-cookie')!.split(';')[0]!;
    const isKnownEverywhere = async () => {
      const before = openedAt(command).length;
      for (let i = 0; i < MOST && new Set(openedAt(command).slice(before)).size < 2; i++)
        expect(await statusOf(command.port, '/', { Cookie })).toBe(101);
      expect(new Set(openedAt(command).slice(before))).toEqual(new Set([1, 2]));
    };
    await isKnownEverywhere();
    end(command.pids[0]!);
    const [, pid = ''] = await command.program.prints(/worker 1 serves again, as process (\d+)/);
    onCleanup(() => end(Number(pid)));
    await isKnownEverywhere();
    expect(await statusOf(command.port, '/', { Cookie: `${Cookie}x` })).toBe(401);
  });

  test('a TLS session is resumed at every worker, and SIGHUP renews the certificate of each', async () => {
    const { port } = await startEcho();
    const first = makeCertificate();
    const { cert, key } = await files({ cert: first.cert, key: first.key });
    const command = await startWorkers(['0', String(port), '--cert', cert!, '--key', key!]);
    const connectOnce = (session?: Buffer) =>
      new Promise<{ session: Buffer; isReused: boolean; serial: string }>((resolve, reject) => {
        const client = connectTls({
          port: command.port,
          rejectUnauthorized: false,
          maxVersion: 'TLSv1.2',
          ...(session && { session }),
        });
        client.once('error', reject).once('secureConnect', () => {
          const { serialNumber: serial } = client.getPeerCertificate();
          resolve({ session: client.getSession()!, isReused: client.isSessionReused(), serial });
          client.destroy();
        });
      });
    const { session, serial } = await connectOnce();
    for (let i = 0; i < 20; i++) expect((await connectOnce(session)).isReused).toBe(true);
    const second = makeCertificate();
    await writeFile(cert!, second.cert);
    await writeFile(key!, second.key);
    command.program.process.kill('SIGHUP');
    await command.program.prints(/settings were reloaded/);
    for (let i = 0; i < 20; i++) expect((await connectOnce()).serial).not.toBe(serial);
  });

  test('all workers accept from a unix socket with its mode, which is removed at the end', async () => {
    const { port } = await startEcho();
    const { folder } = await files({});
    const path = join(folder!, 's');
    const args = ['--unix', path, '--unix-mode', '606', String(port), '--workers', '2', '--drain', '0'];
    const command = await startCommand(args);
    expect(statSync(path).mode & 0o777).toBe(0o606);
    for (let i = 0; i < 10; i++) expect(await accepts({ socket: path })).toBe(true);
    command.program.process.kill('SIGTERM');
    expect(await command.exit()).toBe(0);
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe('--workers: errors', () => {
  test.each(['0', 'abc', '1.5', '257', '2x'])('%s is refused', async (value) => {
    const { code, stderr } = await runCommand(['0', '5900', '--workers', value]);
    expect(code).toBe(2);
    expect(stderr).toContain(
      `--workers must be "auto" (one per core) or a whole number from 1 to 256; got "${value}"`,
    );
  });

  test('-1 is refused', async () => {
    const { code, stderr } = await runCommand(['0', '5900', '--workers', '-1']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--workers needs a value: N, not "-1"/);
    expect((await runCommand(['0', '5900', '--workers=-1'])).stderr).toMatch(/got "-1"/);
  });

  test.each([['--run-once'], ['--timeout', '5'], ['--idle-timeout', '5']])(
    '%s is refused',
    async (...option) => {
      const { code, stderr } = await runCommand(['0', '5900', '--workers', '2', ...option]);
      expect(code).toBe(2);
      expect(stderr).toContain(`${option[0]} can't be combined with --workers`);
    },
  );

  test('a program that can run only once is refused', async () => {
    const server = { spawn: { path: 'cat', maxProcs: 1, maxLoadPerProc: 0 } };
    const { config } = await files({ config: JSON.stringify({ workers: 2, server }) });
    const { code, stderr } = await runCommand(['--config', config!]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/each worker would start the program of "spawn" itself/);
  });

  test('a port in use is reported once, with exit code 4', async () => {
    const server = createServer();
    await listen(server);
    const { code, stderr } = await runCommand([String(portOf(server)), '5900', '--workers', '2']);
    expect(code).toBe(4);
    expect(stderr.match(/already in use/g)).toHaveLength(1);
  });

  test('a second command on the port of workers gets exit code 4', async () => {
    const { port } = await startEcho();
    const command = await startWorkers(['0', String(port)]);
    const { code } = await runCommand([String(command.port), String(port), '--workers', '2']);
    expect(code).toBe(4);
  });

  test('an error in a file is reported once, with exit code 3', async () => {
    const { secret } = await files({ secret: 'ann:plain\n' });
    const { code, stderr } = await runCommand(['0', '5900', '--workers', '3', '--auth', secret!]);
    expect(code).toBe(3);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

test('"workers": "auto" in JSON starts a worker for each core', async () => {
  const { config } = await files({
    config: JSON.stringify({ listen: '0', server: '5900', workers: 'auto' }),
  });
  const { program } = await startCommand(['--config', config!]);
  const [, list = ''] = await program.prints(/workers? \(process ([\d, ]+)\)/);
  expect(list.split(', ')).toHaveLength(availableParallelism());
  const { invalid } = await files({ invalid: '{ "server": "5900",\n "workers": "all" }' });
  const { code, stderr } = await runCommand(['--config', invalid!]);
  expect(code).toBe(3);
  expect(stderr).toMatch(/invalid:2:13: workers must be "auto"/);
});

/** May every user run this Node? Another user can't start workers otherwise. */
function isNodePublic(): boolean {
  const folders = process.execPath
    .split('/')
    .map((_, index, all) => all.slice(0, index + 1).join('/') || '/');
  return folders.every((path) => (statSync(path).mode & 0o001) !== 0);
}

const isRoot = process.getuid?.() === 0 && process.platform === 'linux';

// Elsewhere another user could not start workers.
if (isRoot && isNodePublic())
  test('--user gives up root in the supervisor and in every worker, and a replacement needs no root', async () => {
    const { port } = await startEcho();
    const command = await startWorkers(['0', String(port), '--user', 'nobody']);
    const uids = async (pid: number) =>
      /^Uid:\s+(.*)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]!.split('\t');
    for (const pid of [command.program.process.pid!, ...command.pids])
      expect(await uids(pid)).not.toContain('0');
    end(command.pids[0]!);
    const [, pid = ''] = await command.program.prints(/worker 1 serves again, as process (\d+)/);
    onCleanup(() => end(Number(pid)));
    expect(await uids(Number(pid))).not.toContain('0');
    const { secret } = await files({ secret: 'right\n' });
    const args = ['0', String(port), '--user', 'nobody', '--workers', '2', '--auth', `ann:${secret!}`];
    const { code, stderr } = await runCommand(args);
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /with --workers, nobody must be able to read the files and to run Node, and has no access to .*secret/,
    );
  });
