import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dial } from '../dial.js';
import type { ResolvedHost } from '../host.js';
import { KILL_AFTER, type SpawningHost } from './spawned-process.js';
import { SpawnedProgram, type ProcessConnection } from './spawned-program.js';

const NOTHING = { release: () => {} };

/** The programs of a tunnel, or of several: started when they are needed, ended with the last of these. */
export class Spawner {
  readonly #programs = new Map<string, SpawnedProgram>();
  /** How many tunnels' options name each. */
  readonly #listed = new Map<string, number>();
  readonly #log: (format: string, ...values: unknown[]) => void;
  readonly #failed: (host: SpawningHost, why: string) => void;
  readonly #mark = randomUUID();
  #folder: string | undefined;
  #count = 0;
  /** Processes of which something is left. */
  #left = 0;
  #isClosed = false;

  /** `failed` hears of what no tunnel waited for. */
  constructor(
    log: (format: string, ...values: unknown[]) => void,
    failed: (host: SpawningHost, why: string) => void,
  ) {
    this.#log = log;
    this.#failed = failed;
  }

  /** Options name these hosts, until `remove`: starts what their `minProcs` ask for. */
  add(hosts: readonly ResolvedHost[]): void {
    for (const host of hosts.filter(isSpawning)) {
      const key = keyOf(host);
      this.#listed.set(key, (this.#listed.get(key) ?? 0) + 1);
      this.#programs.get(key)?.enlist();
      // Not in this turn: an app that ends at once, by an error in its start, would leave the folder.
      if (host.spawn.minProcs > 0) setImmediate(() => this.#keepRunning(host));
    }
  }

  /** Ends the programs that no options name any more, as soon as no tunnel uses them; waits for what is idle now. */
  async remove(hosts: readonly ResolvedHost[], grace: number): Promise<void> {
    const ending: Promise<void>[] = [];
    for (const host of hosts.filter(isSpawning)) {
      const key = keyOf(host);
      const left = (this.#listed.get(key) ?? 1) - 1;
      if (left > 0) this.#listed.set(key, left);
      else {
        this.#listed.delete(key);
        const program = this.#programs.get(key);
        if (program) ending.push(program.retire(Math.min(grace, KILL_AFTER)));
      }
    }
    await Promise.all(ending);
  }

  /** Connects to a host, or to a process of its program. */
  async dial(host: ResolvedHost, signal: AbortSignal, preface?: Buffer): Promise<ProcessConnection> {
    if (!isSpawning(host)) return { socket: await dial(host, signal, preface), lease: NOTHING };
    return this.#programOf(host).dial(host, signal, preface);
  }

  /** Ends all processes; what is left of them after `grace` seconds is killed. Waits for them. */
  async close(grace = KILL_AFTER): Promise<void> {
    this.#isClosed = true;
    await Promise.all(
      Array.from(this.#programs.values(), (program) => program.close(Math.min(grace, KILL_AFTER))),
    );
  }

  #keepRunning(host: SpawningHost): void {
    if (!this.#isClosed && this.#listed.has(keyOf(host))) this.#programOf(host).keepRunning();
  }

  #programOf(host: SpawningHost): SpawnedProgram {
    const key = keyOf(host);
    const known = this.#programs.get(key);
    if (known) return known;
    const program = new SpawnedProgram(host, {
      surroundings: () => this.#surroundings(),
      ended: () => this.#ended(),
      failed: this.#failed,
      unused: (one) => {
        if (this.#programs.get(key) === one) this.#programs.delete(key);
      },
    });
    if (this.#isClosed) void program.close(0);
    this.#programs.set(key, program);
    return program;
  }

  #surroundings() {
    const failure = this.#makeFolder();
    this.#left++;
    const name = String(++this.#count);
    return {
      socket: this.#folder === undefined ? '' : join(this.#folder, name),
      failure,
      mark: `${this.#mark}.${name}.`,
      log: this.#log,
    };
  }

  /** Returns what went wrong: `minProcs` starts programs from a timer, where nobody could catch it. */
  #makeFolder(): unknown {
    try {
      // Its mode is 0700: nobody else can reach the sockets in it.
      this.#folder ??= mkdtempSync(join(tmpdir(), 'wstunnel-'));
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #ended(): void {
    if (--this.#left > 0 || this.#folder === undefined) return;
    removeFolder(this.#folder);
    this.#folder = undefined;
  }
}

function removeFolder(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // Somebody else's files in it: not ours to remove.
  }
}

function isSpawning(host: ResolvedHost): host is SpawningHost {
  return host.spawn !== undefined;
}

/** What makes two the same program: a reload of an unchanged file finds the one that runs. */
function keyOf({ id, spawn }: SpawningHost): string {
  return `${id} ${spawn.key}`;
}
