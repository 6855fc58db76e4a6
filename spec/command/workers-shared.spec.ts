import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { end, files, startCommand, type Listening } from '../support/command.js';
import { echoes, openRaw, statusOf, type RawClient } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

const WORKERS = 3;

interface Workers extends Listening {
  readonly config: string;
  readonly pids: readonly number[];
}

/** The command with three workers, and these settings. */
async function startWorkers(settings: Record<string, unknown>): Promise<Workers> {
  const { port } = await startEcho();
  const { config } = await files({ config: JSON.stringify({ listen: '0', server: { port }, ...settings }) });
  const args = ['--config', config!, '--workers', String(WORKERS), '--log', '-', '--drain', '1'];
  const command = await startCommand(args);
  const [, list = ''] = await command.program.prints(/workers \(process ([\d, ]+)\)/);
  const pids = list.split(', ').map(Number);
  onCleanup(() => pids.forEach((pid) => end(pid)));
  return { ...command, config: config!, pids };
}

/** The workers of the `open` events so far, in order. */
function openedAt({ program }: Listening): number[] {
  const events = program.output.matchAll(/"event":"open".*"worker":(\d+)\}$/gm);
  return [...events].map(([, worker]) => Number(worker));
}

/** As many tunnels as are accepted, at most `most`, with the worker of each. */
async function fill(command: Workers, most: number): Promise<{ worker: number; client: RawClient }[]> {
  const clients: { worker: number; client: RawClient }[] = [];
  while (clients.length < most) {
    const before = openedAt(command).length;
    const client = await openRaw(command.port);
    await until(() => openedAt(command).length > before);
    clients.push({ worker: openedAt(command)[before]!, client });
  }
  return clients;
}

/** Answers of several requests, whichever workers they reach. */
async function statuses(command: Workers, count: number): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < count; i++) all.push(await statusOf(command.port, '/'));
  return all;
}

describe('--workers: one state', () => {
  test('limits.total holds over all workers, and a tunnel that ends frees a slot at each', async () => {
    const command = await startWorkers({ limits: { total: 12 } });
    const clients = await fill(command, 12);
    expect(new Set(clients.map(({ worker }) => worker)).size).toBeGreaterThan(1);
    expect(new Set(await statuses(command, 12))).toEqual(new Set([503]));
    clients[0]!.client.socket.destroy();
    await until(async () => (await statusOf(command.port, '/')) === 101);
  });

  test('limits.perClient holds over all workers', async () => {
    const command = await startWorkers({ limits: { perClient: 9 } });
    const clients = await fill(command, 9);
    expect(new Set(clients.map(({ worker }) => worker)).size).toBeGreaterThan(1);
    expect(new Set(await statuses(command, 12))).toEqual(new Set([429]));
  });

  test('a host with maxTunnels has no more tunnels than that over all workers', async () => {
    const { port } = await startEcho();
    const command = await startWorkers({ server: [{ port, maxTunnels: 9 }] });
    await fill(command, 9);
    expect(new Set(await statuses(command, 12))).toEqual(new Set([503]));
  });

  test('many clients at once never get more slots than limits.total, and get all of them', async () => {
    const command = await startWorkers({ limits: { total: 10 } });
    const tries = Array.from({ length: 60 }, () =>
      openRaw(command.port).then(
        () => 1,
        () => 0,
      ),
    );
    const opened = (await Promise.all(tries)).reduce<number>((sum, one) => sum + one, 0);
    expect(opened).toBe(10);
    await until(() => openedAt(command).length === 10);
  });

  test('a worker that is killed frees its slots at once', async () => {
    const command = await startWorkers({ limits: { total: 12 } });
    const clients = await fill(command, 12);
    const { worker } = clients[0]!;
    const lost = clients.filter((one) => one.worker === worker).length;
    const killed = performance.now();
    end(command.pids[worker - 1]!);
    const more = [];
    await until(async () => {
      const client = await openRaw(command.port).catch(() => undefined);
      if (client) more.push(client);
      return more.length === lost;
    });
    // A lease that has to expire takes 45 seconds.
    expect(performance.now() - killed).toBeLessThan(20_000);
    expect(await statusOf(command.port, '/')).toBe(503);
    for (const { client, worker: at } of clients) if (at !== worker) await echoes(client);
  }, 60_000);

  test('a limit that SIGHUP adds counts the open tunnels of all workers', async () => {
    const command = await startWorkers({});
    const { server } = JSON.parse(await readFile(command.config, 'utf8')) as { server: object };
    const clients = await fill(command, 9);
    expect(new Set(clients.map(({ worker }) => worker)).size).toBeGreaterThan(1);
    await writeFile(command.config, JSON.stringify({ listen: '0', server, limits: { total: 9 } }));
    command.program.process.kill('SIGHUP');
    await command.program.prints(/settings were reloaded/);
    await until(async () => (await statuses(command, 9)).every((status) => status === 503));
    clients[0]!.client.socket.destroy();
    await until(async () => (await statusOf(command.port, '/')) === 101);
  });

  test('without a failure nothing is reported about the shared state', async () => {
    const command = await startWorkers({ limits: { total: 5 } });
    await fill(command, 5);
    command.program.process.kill('SIGTERM');
    expect(await command.exit()).toBe(0);
    expect(command.program.output).not.toMatch(/"event":"shared"|cannot be reached/);
  });
});
