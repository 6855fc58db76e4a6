import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dial } from '../dial.js';
import type { AbortState } from '../../helpers/abort.js';
import { UNCOUNTED } from '../../helpers/lease.js';
import type { ResolvedHost } from '../host.js';
import { KILL_AFTER, type ProgramState, type SpawnedProcess, type SpawningHost } from './spawned-process.js';
import { SpawnedProgram, type ProcessConnection } from './spawned-program.js';

/** The programs of one tunnel object, or of several: started when needed, ended with the last tunnel object. */
export class Spawner {
  readonly #programs = new Map<string, SpawnedProgram>();
  /** By program: the number of tunnel objects with the program in their options. */
  readonly #listed = new Map<string, number>();
  readonly #log: (format: string, ...values: unknown[]) => void;
  readonly #failed: (host: SpawningHost, why: string) => void;
  readonly #mark = randomUUID();
  #folder: string | undefined;
  #count = 0;
  /** Processes that have not ended completely. */
  #alive = 0;
  #isClosed = false;

  /** `failed` is called for a failure while no tunnel was waiting for the process. */
  constructor(
    log: (format: string, ...values: unknown[]) => void,
    failed: (host: SpawningHost, why: string) => void,
  ) {
    this.#log = log;
    this.#failed = failed;
  }

  /** Counts these hosts as named in the options until `remove`, and starts their `minProcs` processes. */
  add(hosts: readonly ResolvedHost[]): void {
    for (const host of hosts.filter(isSpawning)) {
      const key = programKeyOf(host);
      this.#listed.set(key, (this.#listed.get(key) ?? 0) + 1);
      this.#programs.get(key)?.enlist();
      // Not in this event-loop turn: an app that fails during its start would leave the private folder in the file system.
      if (host.spawn.minProcs > 0) setImmediate(() => this.#keepRunning(host));
    }
  }

  /** Ends the programs that no options name any longer, once no tunnel uses them. Waits for the processes that are idle now. */
  async remove(hosts: readonly ResolvedHost[], grace: number): Promise<void> {
    const ending: Promise<void>[] = [];
    for (const host of hosts.filter(isSpawning)) {
      const key = programKeyOf(host);
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

  /** Connects to a host, or to a process of the host's program. */
  async dial(host: ResolvedHost, signal: AbortState, preface?: Buffer): Promise<ProcessConnection> {
    if (!isSpawning(host)) return { socket: await dial(host, signal, preface), lease: UNCOUNTED };
    return this.#programOf(host).dial(host, signal, preface);
  }

  /** Ends all processes and waits for their end. Processes that are left after `grace` seconds are killed. */
  async close(grace = KILL_AFTER): Promise<void> {
    this.#isClosed = true;
    await Promise.all(
      Array.from(this.#programs.values(), (program) => program.close(Math.min(grace, KILL_AFTER))),
    );
  }

  /** Processes by state. */
  states(): Record<ProgramState, number> {
    const sums = { starting: 0, running: 0, ending: 0 };
    for (const program of this.#programs.values()) program.count(sums);
    return sums;
  }

  /** All processes, with the ids of their hosts. */
  *processes(): Generator<readonly [backend: string, process: SpawnedProcess]> {
    for (const program of this.#programs.values())
      for (const process of program.processes()) yield [program.host.id, process];
  }

  #keepRunning(host: SpawningHost): void {
    if (!this.#isClosed && this.#listed.has(programKeyOf(host))) this.#programOf(host).keepRunning();
  }

  #programOf(host: SpawningHost): SpawnedProgram {
    const key = programKeyOf(host);
    const known = this.#programs.get(key);
    if (known) return known;
    const program = new SpawnedProgram(host, {
      processContext: () => this.#newContext(),
      processEnded: () => this.#processEnded(),
      failed: this.#failed,
      unused: (one) => {
        if (this.#programs.get(key) === one) this.#programs.delete(key);
      },
    });
    if (this.#isClosed) void program.close(0);
    this.#programs.set(key, program);
    return program;
  }

  #newContext() {
    const failure = this.#makeFolder();
    this.#alive++;
    const name = String(++this.#count);
    return {
      socket: this.#folder === undefined ? '' : join(this.#folder, name),
      failure,
      mark: `${this.#mark}.${name}.`,
      log: this.#log,
    };
  }

  /** Returns the error instead of throwing: `minProcs` starts programs from a timer, where no caller could catch the error. */
  #makeFolder(): unknown {
    try {
      // The mode of the folder is 0700: other users can't reach the sockets in it.
      this.#folder ??= mkdtempSync(join(tmpdir(), 'wstunnel-'));
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #processEnded(): void {
    if (--this.#alive > 0 || this.#folder === undefined) return;
    removeFolder(this.#folder);
    this.#folder = undefined;
  }
}

function removeFolder(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // The folder contains files of other programs, and stays.
  }
}

function isSpawning(host: ResolvedHost): host is SpawningHost {
  return host.spawn !== undefined;
}

/** The key is equal for two hosts with the same program: after a reload of an unchanged file the running program is found. */
function programKeyOf({ id, spawn }: SpawningHost): string {
  return `${id} ${spawn.key}`;
}
