import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SpawnOptions } from '../../src/index.js';
import { onCleanup } from './cleanup.js';
import { until } from './wait.js';

const greet = (where: string) =>
  `require('net').createServer((s) => { s.on('error', () => {}); s.write(process.pid + '\\n'); s.pipe(s); }).listen(${where});`;

/** A program that listens on the socket of its environment, sends its process id to each client, and echoes. */
export const GREETER = greet('process.env.WSTUNNEL_SOCKET');
/** The same program on descriptor 0. */
export const INHERITOR = greet('{ fd: 0 }');

/** Options that spawn Node with this code. */
export function node(code: string, more: Partial<SpawnOptions> = {}): SpawnOptions {
  return { path: process.execPath, args: ['-e', code], ...more };
}

/** Options that spawn a shell with this code. */
export function shell(code: string, more: Partial<SpawnOptions> = {}): SpawnOptions {
  return { path: 'sh', args: ['-c', code], ...more };
}

/** Marks a program and its children by an environment variable, to find them after any change of parent. */
export class Marked {
  readonly name = `SPEC_${randomUUID().replaceAll('-', '_')}`;

  constructor() {
    onCleanup(() => {
      for (const pid of this.pids()) process.kill(pid, 'SIGKILL');
    });
  }

  /** The options with the mark in the environment. */
  mark(spawn: SpawnOptions): SpawnOptions {
    return { ...spawn, environment: { ...spawn.environment, [this.name]: 'yes' } };
  }

  /** Living processes with the mark, including the programs' watchers. */
  pids(): number[] {
    return processesWith(this.name);
  }

  /** Living programs with the mark, without their watchers. */
  programs(): number[] {
    return processesWith(this.name, 'WSTUNNEL_PROCESS=');
  }

  async none(): Promise<void> {
    await until(() => this.pids().length === 0);
  }
}

/** Living processes whose environment contains every text. */
export function processesWith(...texts: string[]): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid)
    .filter((pid) => {
      const environment = environmentOf(pid);
      return texts.every((text) => environment.includes(text));
    });
}

/** False for a zombie, which has ended but is not reaped yet. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** The environment of a process; empty for a zombie. */
function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-spec-'));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
