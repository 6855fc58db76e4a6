import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from '../support/cleanup.js';
import { startEcho } from '../support/servers.js';
import { sleep } from '../support/wait.js';
import { startHaproxy, startNginx, type Front } from './fronts.js';
import { Load } from './load.js';
import { SETTINGS } from './manifests.js';
import { Pod, type Times } from './pod.js';

/** Clients during a rollout. */
export interface Clients {
  readonly newcomersPerSecond: number;
  readonly longTunnels: number;
}

/** A rollout that has ended. */
export interface Rollout {
  readonly load: Load;
  readonly old: readonly Pod[];
  readonly fresh: readonly Pod[];
  readonly seconds: number;
}

interface Machine {
  readonly folder: string;
  readonly tokens: string;
  readonly path: string;
}

/** A folder with the files of a pod, and an echo as the desktop of its token. */
async function prepare(): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-rollout-'));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  const { port } = await startEcho();
  const tokens = join(folder, 'tokens');
  await writeFile(tokens, `desk: 127.0.0.1:${port}\n`, { mode: 0o600 });
  return { folder, tokens, path: `${String(SETTINGS.url)}?token=desk` };
}

/**
 * What Kubernetes does for a Deployment with maxSurge 1 and maxUnavailable 0: a new pod starts and becomes ready, then an old pod
 * ends, while the next new pod starts already.
 */
export async function rollOutPods(replicas: number, times: Times, clients: Clients): Promise<Rollout> {
  const machine = await prepare();
  const old = await Promise.all(Array.from({ length: replicas }, (_, i) => Pod.prepare(`old-${i + 1}`)));
  const fresh = await Promise.all(Array.from({ length: replicas }, (_, i) => Pod.prepare(`new-${i + 1}`)));
  const front = await startHaproxy(machine.folder, [...old, ...fresh]);
  for (const pod of old) {
    await pod.start(machine.folder, machine.tokens, times);
    await front.use(pod, true);
  }
  return under(front, machine, clients, { old, fresh }, async () => {
    const ends: Promise<void>[] = [];
    for (const [i, pod] of fresh.entries()) {
      await pod.start(machine.folder, machine.tokens, times);
      await sleep(times.propagation * 1000);
      await front.use(pod, true);
      await sleep(times.minReady * 1000);
      const ending = old[i]!;
      ends.push(
        ending.delete(times),
        sleep(times.propagation * 1000).then(() => front.use(ending, false)),
      );
    }
    await Promise.all(ends);
  });
}

/** What `docker compose up` does for one service after the other: a container ends, then its successor starts with the same address. */
export async function replaceContainers(times: Times, clients: Clients): Promise<Rollout> {
  const machine = await prepare();
  const old = [await Pod.prepare('old-1'), await Pod.prepare('old-2')];
  const fresh = [await Pod.prepare('new-1', old[0]), await Pod.prepare('new-2', old[1])];
  const front = await startNginx(machine.folder, old);
  for (const pod of old) await pod.start(machine.folder, machine.tokens, times);
  return under(front, machine, clients, { old, fresh }, async () => {
    for (const [i, pod] of old.entries()) {
      await pod.delete(times);
      await fresh[i]!.start(machine.folder, machine.tokens, times);
    }
  });
}

/** Runs a rollout with clients from a second before its start until a second after its end. */
async function under(
  { port }: Front,
  { path }: Machine,
  { newcomersPerSecond, longTunnels }: Clients,
  pods: { old: readonly Pod[]; fresh: readonly Pod[] },
  rollOut: () => Promise<void>,
): Promise<Rollout> {
  const load = new Load(port, path);
  await load.startLong(longTunnels);
  const newcomers = load.newcomers(newcomersPerSecond);
  await sleep(1000);
  const start = performance.now();
  await rollOut();
  const seconds = (performance.now() - start) / 1000;
  await sleep(1000);
  load.endNewcomers();
  await newcomers;
  await load.stop();
  return { load, ...pods, seconds };
}
