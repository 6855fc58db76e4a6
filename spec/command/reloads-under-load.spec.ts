import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { hashSync } from 'bcryptjs';
import { expect, test } from 'vitest';
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

/** `RELOADS=300 npx vitest run spec/command/reloads-under-load.spec.ts` measures by hand, and prints the figures. */
const RELOADS = Number(process.env.RELOADS ?? 30);
/** The reload after which the first figures are taken: the code is compiled, and caches are full. */
const WARM = Math.min(50, Math.floor(RELOADS / 3));
/** The number of users who open tunnels one after another, and of users with long tunnels. */
const NEWCOMERS = 40;
/** Attempts to get a tunnel at a worker with room. */
const ATTEMPTS = 500;
/** Bytes of heap by which 300 reloads may differ. The settings of one reload use some 70 kB until the last tunnel ends. */
const SPREAD = 4e6;

/** Each tunnel object has one object of these classes. */
const CLASSES = [
  ['tunnel/login/login-checks.js', 'LoginChecks'],
  ['backends/pool.js', 'BackendPool'],
] as const;

/** A client's address as X-Forwarded-For, and a login. */
const from = (address: string, user: string) => ({
  'X-Forwarded-For': address,
  Authorization: `Basic ${Buffer.from(`${user}:secret`).toString('base64')}`,
});

async function start(config: object, args: string[] = []): Promise<Listening> {
  const numbers = Array.from({ length: NEWCOMERS }, (_, index) => index);
  const users = ['ann', 'bob', 'cleo', ...numbers.flatMap((index) => [`new${index}`, `old${index}`])];
  const hash = hashSync('secret', 4);
  const { 'desk.json': file, 'auth.txt': auth } = await files({
    'desk.json': '',
    'auth.txt': users.map((user) => `${user}:${hash}\n`).join(''),
  });
  await writeFile(
    file!,
    JSON.stringify({
      listen: '0',
      trustProxy: ['loopback'],
      auth: [auth],
      balance: 'round-robin',
      ...config,
    }),
  );
  return startCommand(['--config', file!, '--log', '-', ...args], INSPECTABLE);
}

/** Sends SIGHUP and waits for the result. */
async function reread({ program }: Listening): Promise<void> {
  const before = program.output.length;
  program.process.kill('SIGHUP');
  await until(() => /settings (were|stay)/.test(program.output.slice(before)));
  expect(program.output.slice(before)).toContain('were reloaded');
}

/** Newcomers open tunnels without a pause, echo, and leave with a Close, until `stop`. */
function admit(port: number, paths: readonly string[]) {
  const statuses: number[] = [];
  let isOver = false;
  let count = 0;
  const one = async (path: string) => {
    while (!isOver) {
      const number = count++;
      const client = requestTunnel(port, path, from(`10.2.${number % 250}.1`, `new${number % NEWCOMERS}`));
      const { status } = await client.answer();
      statuses.push(status);
      if (status === 101) await visit(client, path, `hello ${number}`);
    }
  };
  const all = Promise.all(paths.map(one));
  const stop = async () => {
    isOver = true;
    await all;
  };
  return { statuses, stop };
}

async function visit(client: RawClient, path: string, text: string): Promise<void> {
  if (path === '/prog') await client.shows(/^\d+\n/);
  await echoes(client, text);
  client.send(closeFrame(1000));
  expect(await client.close()).toMatchObject({ code: 1000 });
  client.socket.end();
  await client.closed();
}

/** Opens tunnels until there are `count`: an earlier probe may still have its slot. */
async function openMany(count: number, open: (index: number) => RawClient): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let attempt = 0; clients.length < count && attempt < ATTEMPTS; attempt++) {
    const client = open(attempt);
    if ((await client.answer()).status === 101) clients.push(client);
  }
  expect(clients).toHaveLength(count);
  return clients;
}

/** A tunnel to the program of each worker. */
async function openPrograms(port: number, workers: number): Promise<Map<number, RawClient>> {
  const found = new Map<number, RawClient>();
  for (let attempt = 0; found.size < workers && attempt < ATTEMPTS; attempt++) {
    const client = await openRaw(port, '/prog', from(`10.5.${attempt % 250}.1`, `old${attempt % NEWCOMERS}`));
    const pid = Number((await client.shows(/^\d+\n/))[0]);
    if (found.has(pid)) client.socket.destroy();
    else found.set(pid, client);
  }
  return found;
}

async function nameOf(port: number): Promise<string> {
  const client = await openRaw(port, '/pair', from('10.1.1.3', 'cleo'));
  const name = (await client.payload(1)).toString();
  client.send(closeFrame(1000));
  await client.close();
  client.socket.end();
  await client.closed();
  return name;
}

/** The figures of each process with tunnels. */
async function footprints(inspected: readonly Inspected[]) {
  const all = [];
  for (const one of inspected) {
    const footprint = await one.footprint(CLASSES);
    const status = readFileSync(`/proc/${footprint.pid}/status`, 'utf8');
    const resident = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
    all.push({ ...footprint, resident, descriptors: readdirSync(`/proc/${footprint.pid}/fd`).length });
  }
  return all;
}

test.each([1, 2])(
  `${RELOADS} reloads of %d process(es) under load: caps hold, no handshake fails, hosts and programs stay, nothing grows`,
  async (workers) => {
    const { port: echo } = await startEcho();
    const marked = new Marked();
    const program = marked.mark(node(GREETER, { maxProcs: 2, maxLoadPerProc: 0, handOver: false }));
    const fixed = workers === 1 ? { socket: `${await temporaryFolder()}/prog` } : {};
    const dead = await closedPort();
    const command = await start(
      {
        server: {
          '/echo': { port: echo },
          '/one': { host: 'localhost', port: echo, maxTunnels: 1 },
          '/prog': { ...fixed, spawn: { ...program, ...(workers === 1 && { maxProcs: 1 }) } },
          '/pair': [{ port: dead, disableTime: 3600 }, { port: await startNamed('b') }],
        },
        limits: { perClient: 3, perUser: 3 },
      },
      workers === 1 ? [] : ['--workers', String(workers)],
    );
    const { port } = command;
    await until(() => inspectorsIn(command.program.output).length === (workers === 1 ? 1 : workers + 1));
    const inspectors = inspectorsIn(command.program.output).slice(-workers);
    const inspected = await Promise.all(inspectors.map((url) => Inspected.connect(url)));
    const full = await start({ server: { port: echo }, limits: { total: 2 } });

    const long = [
      // The limits hold over all workers.
      ...(await openMany(3, (index) =>
        requestTunnel(port, '/echo', from('10.0.0.1', `old${index % NEWCOMERS}`)),
      )),
      ...(await openMany(3, (index) => requestTunnel(port, '/echo', from(`10.1.${index % 250}.1`, 'ann')))),
      ...(await openMany(1, (index) =>
        requestTunnel(port, '/one', from(`10.4.${index % 250}.1`, `old${(index + 20) % NEWCOMERS}`)),
      )),
      ...(await openMany(2, () => requestTunnel(full.port, '/', from('10.1.1.1', 'bob')))),
    ];
    const programs = await openPrograms(port, workers);
    const outages = () => command.program.output.split('"event":"backend"').length - 1;
    for (let turn = 0; outages() === 0 && turn < ATTEMPTS; turn++) expect(await nameOf(port)).toBe('b');

    const load = admit(port, ['/echo', '/echo', '/prog', '/prog']);
    const refused = new Set<string>();
    const figures = [];
    for (let reload = 0; reload <= RELOADS; reload++) {
      if (reload > 0) await Promise.all([reread(command), reread(full)]);
      const probes = await Promise.all([
        statusOf(port, '/echo', from('10.0.0.1', 'bob')),
        statusOf(port, '/echo', from('10.3.0.1', 'ann')),
        statusOf(port, '/one', from('10.3.0.2', 'cleo')),
        statusOf(full.port, '/', from('10.3.0.3', 'cleo')),
      ]);
      refused.add(probes.join());
      expect(await nameOf(port)).toBe('b');
      await Promise.all(long.map((client) => echoes(client, `reload ${reload}`)));
      if (reload === WARM || reload === RELOADS) figures.push(await footprints(inspected));
    }
    await load.stop();
    // The present tunnel object, and the first one with the long tunnels.
    let last = await footprints(inspected);
    await until(async () => {
      last = await footprints(inspected);
      return last.every(({ objects }) => objects.LoginChecks === 2 && objects.BackendPool === 2);
    });
    if (process.env.RELOADS) {
      const rows = [...figures, last].map((all) =>
        all.map(({ heap, resident, descriptors, listeners, resources, objects }) =>
          [heap, resident, descriptors, listeners, resources.Timeout, objects.BackendPool].join(' '),
        ),
      );
      console.log(`${workers} process(es), ${load.statuses.length} newcomers`);
      console.log('heap resident descriptors listeners timers tunnel-objects', rows);
    }

    expect(new Set(load.statuses)).toEqual(new Set([101]));
    expect(load.statuses.length).toBeGreaterThan(RELOADS);
    expect([...refused]).toEqual(['429,429,503,503']);
    expect(marked.programs().sort()).toEqual([...programs.keys()].sort());
    // A worker that knows of the outage from another worker does not try the host.
    expect(outages()).toBeGreaterThan(0);
    expect(outages()).toBeLessThanOrEqual(workers);
    for (const [index, first] of figures[0]!.entries()) {
      const { heap, listeners, descriptors, resources } = last[index]!;
      expect(listeners).toBe(first.listeners);
      expect(resources.TCPServerWrap).toBe(first.resources.TCPServerWrap);
      expect(descriptors).toBeLessThanOrEqual(first.descriptors);
      expect(heap - first.heap).toBeLessThan(SPREAD);
    }
  },
  400_000,
);
