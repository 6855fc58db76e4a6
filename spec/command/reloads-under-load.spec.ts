import { readdirSync, readFileSync } from 'node:fs';
import { hashSync } from 'bcryptjs';
import { describe, expect, test } from 'vitest';
import { files, startCommand, startNamed, type Listening } from '../support/command.js';
import { INSPECTABLE, Inspected, inspectorsIn } from '../support/inspected.js';
import {
  closeFrame,
  echoes,
  openRaw,
  requestTunnel,
  statusOf,
  type RawClient,
} from '../support/raw-client.js';
import { closedPort, startEcho } from '../support/servers.js';
import { GREETER, Marked, node, temporaryFolder } from '../support/spawned.js';
import { until } from '../support/wait.js';

/** RELOADS=300 measures by hand, and prints the figures. */
const RELOADS = Number(process.env.RELOADS ?? 30);
/** Users who open tunnels one after another. */
const NEWCOMERS = 40;

const CLASSES = [
  ['tunnel/login/login-checks.js', 'LoginChecks'],
  ['backends/pool.js', 'BackendPool'],
] as const;

/** A client's address as X-Forwarded-For, and a login. */
const from = (address: string, user: string) => ({
  'X-Forwarded-For': address,
  Authorization: `Basic ${Buffer.from(`${user}:secret`).toString('base64')}`,
});

/** Sends SIGHUP and waits for the result. */
async function reread({ program }: Listening): Promise<void> {
  const before = program.output.length;
  program.process.kill('SIGHUP');
  await until(() => /settings (were|stay)/.test(program.output.slice(before)));
  expect(program.output.slice(before)).toContain('were reloaded');
}

async function start(config: object, args: string[] = [], env = {}): Promise<Listening> {
  const users = ['ann', 'bob', 'cleo', ...Array.from({ length: NEWCOMERS }, (_, index) => `new${index}`)];
  const hash = hashSync('secret', 4);
  const { 'desk.json': file, 'auth.txt': auth } = await files({
    'desk.json': '',
    'auth.txt': users.map((user) => `${user}:${hash}\n`).join(''),
  });
  const { writeFile } = await import('node:fs/promises');
  const settings = { listen: '0', trustProxy: ['loopback'], auth: [auth], ...config };
  await writeFile(file!, JSON.stringify(settings));
  return startCommand(['--config', file!, '--log', '-', ...args], env);
}

/** Open descriptors and resident bytes of a process. */
function usageOf(pid: number): { descriptors: number; resident: number } {
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return { descriptors, resident: Number(kilobytes) * 1024 };
}

/** Newcomers open tunnels without a pause, echo, and leave with a Close, until `stop`; resolves to the statuses that they got. */
function admit(port: number, paths: readonly string[]) {
  const statuses: number[] = [];
  const open = { opened: 0 };
  let isOver = false;
  let count = 0;
  const one = async (path: string) => {
    while (!isOver) {
      const number = count++;
      const client = requestTunnel(port, path, from(`10.2.${number % 250}.1`, `new${number % NEWCOMERS}`));
      const { status } = await client.answer();
      statuses.push(status);
      if (status !== 101) continue;
      open.opened++;
      if (path === '/prog') await client.shows(/^\d+\n/);
      await echoes(client, `hello ${number}`);
      client.send(closeFrame(1000));
      expect(await client.close()).toMatchObject({ code: 1000 });
      client.socket.end();
      await client.closed();
    }
  };
  const all = Promise.all(paths.map(one));
  return {
    statuses,
    open,
    async stop() {
      isOver = true;
      await all;
    },
  };
}

describe('reloads under load', () => {
  test(`${RELOADS} reloads: caps hold, no handshake fails, hosts and programs stay, memory is flat`, async () => {
    const { port: echo } = await startEcho();
    const marked = new Marked();
    const program = marked.mark(node(GREETER, { maxProcs: 1, maxLoadPerProc: 0, handOver: false }));
    const alive = await startNamed('b');
    const command = await start(
      {
        server: {
          '/echo': { port: echo },
          '/one': { host: 'localhost', port: echo, maxTunnels: 1 },
          '/prog': { socket: `${await temporaryFolder()}/prog`, spawn: program },
          '/pair': [{ port: await closedPort(), disableTime: 3600 }, { port: alive }],
        },
        balance: 'round-robin',
        limits: { perClient: 3, perUser: 3 },
      },
      [],
      INSPECTABLE,
    );
    const { port } = command;
    const pid = command.program.process.pid!;
    const inspected = await Inspected.connect(inspectorsIn(command.program.output)[0]!);
    const long = {
      client: await openMany(3, (index) => openRaw(port, '/echo', from('10.0.0.1', `new${index}`))),
      user: await openMany(3, (index) => openRaw(port, '/echo', from(`10.1.0.${index}`, 'ann'))),
      one: await openRaw(port, '/one', from('10.1.1.1', 'bob')),
      program: await openRaw(port, '/prog', from('10.1.1.2', 'bob')),
    };
    const all = [...long.client, ...long.user, long.one];
    const [programs] = await long.program.shows(/^\d+\n/);
    const desk = from('10.1.1.3', 'cleo');
    for (let turn = 0; turn < 3; turn++) expect(await nameOf(port, desk)).toBe('b');

    const load = admit(port, ['/echo', '/echo', '/prog', '/prog']);
    const refused: number[][] = [];
    const figures = [];
    for (let reload = 0; reload <= RELOADS; reload++) {
      if (reload > 0) await reread(command);
      refused.push(
        await Promise.all([
          statusOf(port, '/echo', from('10.0.0.1', 'new9')),
          statusOf(port, '/echo', from('10.3.0.1', 'ann')),
          statusOf(port, '/one', from('10.3.0.2', 'cleo')),
        ]),
      );
      expect(await nameOf(port, desk)).toBe('b');
      await Promise.all(all.map((client) => echoes(client, `reload ${reload}`)));
      if (reload === Math.min(10, RELOADS / 3) || reload === RELOADS)
        figures.push({ reload, ...(await inspected.footprint(CLASSES)), ...usageOf(pid) });
    }
    await load.stop();
    await until(async () => (await inspected.footprint(CLASSES)).objects.LoginChecks! <= 2);
    figures.push({ reload: 'later', ...(await inspected.footprint(CLASSES)), ...usageOf(pid) });
    if (process.env.RELOADS) console.log(load.statuses.length, 'newcomers', figures);
    expect(new Set(load.statuses)).toEqual(new Set([101]));
    expect(new Set(refused.map(String))).toEqual(new Set(['429,429,503']));
    expect(load.open.opened).toBeGreaterThan(RELOADS);
    expect(marked.programs()).toEqual([Number(programs)]);
    expect(command.program.output.split('"event":"backend"')).toHaveLength(2);
  }, 400_000);
});

async function openMany(count: number, open: (index: number) => Promise<RawClient>): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => open(index)));
}

async function nameOf(port: number, headers: object): Promise<string> {
  const client = await openRaw(port, '/pair', { ...headers });
  const name = (await client.payload(1)).toString();
  client.socket.destroy();
  return name;
}
