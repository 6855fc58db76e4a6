import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLI } from '../support/command.js';
import { Program } from '../support/programs.js';
import { closedPort } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';
import { ARGS, CONTAINER, given, POD, SETTINGS } from './manifests.js';

/** Times of a rollout in seconds, in the proportions of a test instead of the hours of demo/kubernetes. */
export interface Times {
  readonly preStop: number;
  readonly linger: number;
  readonly grace: number;
  readonly spread: number;
  readonly drain: number;
  /** From the change of a pod's state until the proxy knows the change. */
  readonly propagation: number;
  readonly minReady: number;
}

/** Seconds of terminationGracePeriodSeconds in the manifest beyond preStop and the times of the command. */
const RESERVE =
  given(POD.terminationGracePeriodSeconds, 'terminationGracePeriodSeconds') -
  given(CONTAINER.lifecycle?.preStop?.sleep?.seconds, 'preStop.sleep') -
  SETTINGS.linger -
  SETTINGS.grace -
  SETTINGS.spread -
  SETTINGS.drain;

const PROBE_MS = 100;

/** When things happened to a pod, by `performance.now()`. */
export interface History {
  /** The end of the pod was requested, and preStop began. */
  deleted?: number;
  /** SIGTERM. */
  signalled?: number;
  /** The first failed readiness probe after SIGTERM. */
  unready?: number;
  exited?: number;
}

/** A process of the command, with the life that the kubelet gives to a pod. */
export class Pod {
  readonly history: History = {};
  wasKilled = false;
  /** When liveness probes failed. */
  readonly livenessFailures: number[] = [];
  #program: Program | undefined;

  private constructor(
    readonly name: string,
    readonly port: number,
    readonly health: number,
  ) {}

  /** A pod that is not started yet. `before`: the container whose addresses it gets. */
  static async prepare(name: string, before?: Pod): Promise<Pod> {
    return new Pod(name, before?.port ?? (await closedPort()), before?.health ?? (await closedPort()));
  }

  /** The names that proxies have for the pod. */
  get names(): string[] {
    return [this.name, `127.0.0.1:${this.port}`];
  }

  get exitCode(): number | string | null | undefined {
    return this.#program?.process.exitCode ?? this.#program?.process.signalCode;
  }

  get output(): string {
    return this.#program?.output ?? '';
  }

  /** Starts the process with demo/kubernetes/config.json, without a shared state, and resolves when the pod is ready. */
  async start(folder: string, tokens: string, times: Times): Promise<void> {
    const config = join(folder, `${this.name}.json`);
    const { linger, grace, spread, drain } = times;
    const loopback = {
      listen: `127.0.0.1:${this.port}`,
      health: `127.0.0.1:${this.health}`,
      name: 'localhost',
    };
    const files = {
      auth: undefined,
      log: undefined,
      metrics: undefined,
      web: folder,
      tokens,
      trustProxy: 'loopback',
    };
    await writeFile(
      config,
      JSON.stringify({ ...SETTINGS, ...loopback, ...files, linger, grace, spread, drain }),
    );
    const args = ARGS.map((arg) => (arg.endsWith('.json') ? config : arg));
    this.#program = new Program(process.execPath, [CLI, ...args]);
    await this.#answers(CONTAINER.startupProbe?.httpGet?.path);
    await this.#answers(CONTAINER.readinessProbe?.httpGet?.path);
  }

  async #answers(path: string | undefined): Promise<void> {
    await until(async () => {
      if (this.exitCode !== undefined && this.exitCode !== null)
        throw new Error(`${this.name}: ${this.output}`);
      await sleep(PROBE_MS / 4);
      return this.probe(given(path, 'the path of a probe'));
    });
  }

  /** Whether a probe succeeds. */
  async probe(path: string): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(5000);
      return (await fetch(`http://127.0.0.1:${this.health}${path}`, { signal })).ok;
    } catch {
      return false;
    }
  }

  /** Ends the pod: preStop, SIGTERM, and SIGKILL after terminationGracePeriodSeconds. Resolves after the exit. */
  async delete(times: Times): Promise<void> {
    const { process: child } = given(this.#program, 'a process');
    const exited = once(child, 'exit');
    this.history.deleted = performance.now();
    await sleep(times.preStop * 1000);
    const rest = times.linger + times.grace + times.spread + times.drain + RESERVE;
    const kill = setTimeout(() => {
      this.wasKilled = true;
      child.kill('SIGKILL');
    }, rest * 1000);
    this.history.signalled = performance.now();
    child.kill('SIGTERM');
    const probes = this.#probeUntilExit();
    await exited;
    this.history.exited = performance.now();
    clearTimeout(kill);
    await probes;
  }

  async #probeUntilExit(): Promise<void> {
    const ready = given(CONTAINER.readinessProbe?.httpGet?.path, 'a readiness probe');
    const alive = given(CONTAINER.livenessProbe?.httpGet?.path, 'a liveness probe');
    for (;;) {
      const [isReady, isAlive] = [await this.probe(ready), await this.probe(alive)];
      if (this.history.exited !== undefined) return;
      if (!isReady) this.history.unready ??= performance.now();
      if (!isAlive) this.livenessFailures.push(performance.now());
      await sleep(PROBE_MS);
    }
  }
}
