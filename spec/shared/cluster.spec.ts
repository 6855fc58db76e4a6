import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TicketOptions, TunnelFilter } from '../../src/index.js';
import { endAt, stateAt } from '../support/admin.js';
import { end } from '../support/command.js';
import { onCleanup } from '../support/cleanup.js';
import { echoes, openRaw, statusOf, type RawClient } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

interface Settings {
  readonly workers?: number;
  readonly options?: Record<string, unknown>;
  readonly shared?: Record<string, unknown>;
  readonly primaryShares?: boolean;
  readonly system?: 'esm' | 'cjs';
}

interface SpecEvent {
  readonly event: string;
  readonly number: number;
  readonly [field: string]: unknown;
}

/** A primary of node:cluster with workers, each at a port of its own. */
class Cluster {
  readonly events: SpecEvent[] = [];
  readonly #send: (command: object) => void;
  ports: number[] = [];
  pids: number[] = [];

  private constructor(send: (command: object) => void) {
    this.#send = send;
  }

  static async start({ workers = 3, primaryShares = true, ...settings }: Settings): Promise<Cluster> {
    const backend = await startEcho();
    const options = { server: { port: backend.port }, ...settings.options };
    const text = JSON.stringify({ ...settings, workers, primaryShares, options });
    const child = spawn(process.execPath, [join(import.meta.dirname, 'cluster-worker.mjs')], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, CLUSTER_SPEC: text },
    });
    const cluster = new Cluster((command) => child.stdin.write(`${JSON.stringify(command)}\n`));
    child.stdin.on('error', () => undefined);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (output + chunk.toString()).split('\n');
      output = lines.pop() ?? '';
      for (const line of lines) cluster.events.push(JSON.parse(line) as SpecEvent);
    });
    onCleanup(async () => {
      for (const pid of cluster.pids) end(pid);
      const exited = once(child, 'exit');
      if (child.kill('SIGKILL')) await exited;
    });
    await until(() => cluster.of('ready').length === workers);
    for (const { number, port, pid } of cluster.of('ready')) {
      cluster.ports[number] = port as number;
      cluster.pids[number] = pid as number;
    }
    return cluster;
  }

  of(event: string): SpecEvent[] {
    return this.events.filter((one) => one.event === event);
  }

  open(worker: number, user = 'ann'): Promise<RawClient> {
    return openRaw(this.ports[worker]!, '/', { 'X-User': user });
  }

  status(worker: number, user = 'ann'): Promise<number> {
    return statusOf(this.ports[worker]!, '/', { 'X-User': user });
  }

  signal(worker: number, name: NodeJS.Signals): void {
    process.kill(this.pids[worker]!, name);
  }

  async end(worker: number, where: TunnelFilter): Promise<SpecEvent> {
    const before = this.of('ended').length;
    this.#send({ command: 'end', worker, where });
    await until(() => this.of('ended').length > before);
    return this.of('ended')[before]!;
  }

  async ticket(worker: number, ticket: TicketOptions): Promise<string> {
    const before = this.of('ticket').length;
    this.#send({ command: 'ticket', worker, ticket });
    await until(() => this.of('ticket').length > before);
    return String(this.of('ticket')[before]?.ticket);
  }

  leave(worker: number): void {
    this.#send({ command: 'leave', worker });
  }

  busy(milliseconds: number): void {
    this.#send({ command: 'busy', milliseconds });
  }

  /** Resolves when every worker has reached the state of the primary. */
  async joined(): Promise<void> {
    await until(
      () =>
        new Set(
          this.of('shared')
            .filter(({ up }) => up)
            .map(({ number }) => number),
        ).size === this.ports.length,
    );
  }
}

describe('clusterShared()', () => {
  test.each(['esm', 'cjs'] as const)('limits hold over three workers (%s)', async (system) => {
    const cluster = await Cluster.start({ system, options: { limits: { total: 5, perUser: 2 } } });
    await cluster.open(0);
    const second = await cluster.open(1);
    for (const worker of [0, 1, 2]) expect(await cluster.status(worker)).toBe(429);
    for (const [worker, user] of [
      [0, 'bob'],
      [1, 'cid'],
      [2, 'dan'],
    ] as const)
      await cluster.open(worker, user);
    for (const worker of [0, 1, 2]) expect(await cluster.status(worker, 'eve')).toBe(503);
    second.socket.destroy();
    await until(async () => (await cluster.status(2)) === 101);
  });

  test('100 clients at once for 7 slots: exactly 7 get one', async () => {
    const cluster = await Cluster.start({ options: { limits: { total: 7 } } });
    const tries = Array.from({ length: 99 }, (_, index) =>
      cluster.open(index % 3, `user-${index}`).then(
        () => 1,
        () => 0,
      ),
    );
    expect((await Promise.all(tries)).reduce<number>((sum, one) => sum + one, 0)).toBe(7);
  });

  test('a ticket of one worker is good at another, once, also at the same moment', async () => {
    const cluster = await Cluster.start({});
    await cluster.joined();
    for (const maker of [0, 1, 2]) {
      const ticket = await cluster.ticket(maker, { user: 'ann' });
      const tries = [0, 1, 2, 0].map((worker) => statusOf(cluster.ports[worker]!, `/?ticket=${ticket}`));
      expect((await Promise.all(tries)).sort()).toEqual([101, 403, 403, 403]);
    }
  });

  test('a worker that is killed frees its slots at once', async () => {
    const cluster = await Cluster.start({ shared: { ttl: 3600 }, options: { limits: { total: 2 } } });
    await cluster.open(0);
    const other = await cluster.open(1);
    expect(await cluster.status(2)).toBe(503);
    cluster.signal(0, 'SIGKILL');
    await until(async () => (await cluster.status(2)) === 101);
    await echoes(other);
  });

  test('a worker that closes its state frees its slots at once', async () => {
    const cluster = await Cluster.start({ shared: { ttl: 3600 }, options: { limits: { total: 1 } } });
    const client = await cluster.open(0);
    expect(await cluster.status(1)).toBe(503);
    cluster.leave(0);
    await client.ended();
    await until(async () => (await cluster.status(1)) === 101);
    expect(cluster.of('warning')).toEqual([]);
  });

  test('a worker that is stopped beyond its lease loses its slots, and is counted again when it goes on', async () => {
    const cluster = await Cluster.start({
      shared: { ttl: 2, timeout: 0.5 },
      options: { limits: { total: 2 } },
    });
    const kept = await cluster.open(0);
    const other = await cluster.open(1);
    expect(await cluster.status(2)).toBe(503);
    cluster.signal(0, 'SIGSTOP');
    await until(async () => (await cluster.status(2)) === 101);
    cluster.signal(0, 'SIGCONT');
    await until(async () => (await cluster.status(2)) === 503);
    await echoes(kept);
    await echoes(other);
  });

  test('end() ends the tunnels of every worker, and names the worker that does not answer', async () => {
    const cluster = await Cluster.start({ shared: { timeout: 1 } });
    await cluster.joined();
    const clients = [await cluster.open(0), await cluster.open(1), await cluster.open(2)];
    const bob = await cluster.open(1, 'bob');
    expect(await cluster.end(0, { user: 'ann' })).toMatchObject({ ended: 3, silent: [] });
    for (const client of clients) expect(await client.close()).toMatchObject({ code: 1008 });
    await echoes(bob);
    cluster.signal(2, 'SIGSTOP');
    const { ended, silent } = await cluster.end(0, { user: 'bob' });
    expect(ended).toBe(1);
    expect(silent).toEqual([expect.stringContaining(`-${cluster.pids[2]}-`)]);
    cluster.signal(2, 'SIGCONT');
  });

  test('an end that a stopped worker has missed is applied when it goes on', async () => {
    const cluster = await Cluster.start({ shared: { ttl: 2, timeout: 0.5 } });
    await cluster.joined();
    const client = await cluster.open(2);
    cluster.signal(2, 'SIGSTOP');
    await cluster.end(0, { user: 'ann' });
    cluster.signal(2, 'SIGCONT');
    expect(await client.close()).toMatchObject({ code: 1008 });
  });

  test('onFull "takeover" replaces a tunnel of the same user at another worker', async () => {
    const { port } = await startEcho();
    const server = [{ port, maxTunnels: 1, onFull: 'takeover' }];
    const cluster = await Cluster.start({ options: { server } });
    await cluster.joined();
    const first = await cluster.open(0);
    expect(await cluster.status(1, 'bob')).toBe(503);
    const [second, close] = await Promise.all([
      cluster.open(1),
      first.close().finally(() => first.socket.destroy()),
    ]);
    expect(close).toMatchObject({ code: 4409 });
    await echoes(second);
  });

  test('a primary without clusterShared() is reported by the event and a warning, with the fix', async () => {
    const cluster = await Cluster.start({
      workers: 1,
      primaryShares: false,
      shared: { timeout: 0.2 },
      options: { limits: { total: 1 } },
    });
    const reason = 'the primary process has not answered: call clusterShared() there as well';
    await until(() => cluster.of('shared').length > 0);
    expect(cluster.of('shared')[0]).toMatchObject({ up: false, reason });
    await until(() => cluster.of('warning').length > 0);
    expect(cluster.of('warning')).toEqual([
      expect.objectContaining({ code: 'WSTUNNEL_CLUSTER', message: `wstunnel: ${reason}` }),
    ]);
    await cluster.open(0);
    expect(await cluster.status(0)).toBe(503);
  });

  test('while the primary is busy each worker counts alone, and the counts are shared again afterwards', async () => {
    const cluster = await Cluster.start({
      shared: { ttl: 2, timeout: 0.2 },
      options: { limits: { total: 2 } },
    });
    await cluster.joined();
    await cluster.open(0);
    await cluster.open(1);
    expect(await cluster.status(2)).toBe(503);
    cluster.busy(3000);
    await until(() => cluster.of('busy').length === 1);
    const extra = await cluster.open(2);
    await until(() => cluster.of('idle').length === 1);
    await until(async () => (await cluster.status(2)) === 503);
    for (const worker of [0, 1]) await until(async () => (await cluster.status(worker)) === 503);
    await echoes(extra);
    expect(cluster.of('warning')).toEqual([]);
  });

  test('under whenDown "refuse" a busy primary means 503, and open tunnels go on', async () => {
    const shared = { ttl: 2, timeout: 0.2, whenDown: 'refuse' };
    const cluster = await Cluster.start({ shared, options: { limits: { total: 9 } } });
    await cluster.joined();
    const client = await cluster.open(0);
    cluster.busy(3000);
    await until(() => cluster.of('busy').length === 1);
    expect(await cluster.status(1)).toBe(503);
    await echoes(client);
    await until(async () => (await cluster.status(1)) === 101);
  });
});

describe('admin() in the workers of node:cluster', () => {
  test('shows the tunnels of all workers, and ends one of another worker', { timeout: 60_000 }, async () => {
    const cluster = await Cluster.start({ options: { name: 'vnc' } });
    await cluster.joined();
    for (const [worker, user] of ['ann', 'bob', 'cid'].entries()) await cluster.open(worker, user);
    const bob = await cluster.open(1, 'bob');
    const [port] = cluster.ports as [number];
    await until(async () => (await stateAt(port)).matching === 4);
    const sorted = await stateAt(port, '?sort=user&order=desc&limit=2');
    expect(sorted.tunnels.map(({ user }) => user)).toEqual(['cid', 'bob']);
    // Other processes are asked at most every two seconds: each new query may wait so long.
    const { replica, replicas, totals, tunnels } = await stateAt(port, '?q=BOB&order=asc');
    expect(replica).toMatch(/#/);
    expect(replicas!.map(({ silent, tunnels: open }) => [silent, open])).toEqual(
      expect.arrayContaining([
        [false, 1],
        [false, 2],
        [false, 1],
      ]),
    );
    expect(replicas![0]!.name).toBe(replica!.replace(/#[^#]*$/, ''));
    expect(totals).toMatchObject({ open: 4, opened: 4 });
    const other = tunnels.at(-1)!;
    expect([other.user, other.replica]).toEqual(['bob', expect.not.stringMatching(replicas![0]!.name)]);
    expect(await endAt(port, { id: other.id })).toEqual({ status: 200, answer: { ended: 1, silent: [] } });
    expect((await bob.frame())!.opcode).toBe(8);
    await until(async () => (await stateAt(port)).matching === 3);
  });

  test(
    'names a worker that does not answer, and shows the tunnels of the others',
    { timeout: 60_000 },
    async () => {
      const cluster = await Cluster.start({ workers: 2, shared: { timeout: 1 } });
      await cluster.joined();
      await cluster.open(0, 'ann');
      await cluster.open(1, 'bob');
      const [port] = cluster.ports as [number];
      await until(async () => (await stateAt(port)).matching === 2);
      cluster.signal(1, 'SIGSTOP');
      await until(async () => (await stateAt(port)).matching === 1);
      const { replicas } = await stateAt(port);
      // The primary is a replica without tunnels.
      const known = replicas!.map(({ silent, tunnels }) => [silent, tunnels]);
      expect(known).toEqual(
        expect.arrayContaining([
          [false, 1],
          [true, 0],
          [false, 0],
        ]),
      );
      cluster.signal(1, 'SIGCONT');
      await until(async () => (await stateAt(port)).matching === 2);
    },
  );
});
