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

/** Listens where it is told, greets with its process id and echoes. */
export const GREETER = greet('process.env.WSTUNNEL_SOCKET');
/** The same on the descriptor that it gets. */
export const INHERITOR = greet('{ fd: 0 }');

/** A program of Node's. */
export function node(code: string, more: Partial<SpawnOptions> = {}): SpawnOptions {
  return { path: process.execPath, args: ['-e', code], ...more };
}

/** A program of the shell's. */
export function shell(code: string, more: Partial<SpawnOptions> = {}): SpawnOptions {
  return { path: 'sh', args: ['-c', code], ...more };
}

/** What a program and all that it has started are known by, wherever they go. */
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

  /** Those that live, with what watches over them. */
  pids(): number[] {
    return processesWith(this.name);
  }

  /** The programs themselves, without what watches over them. */
  programs(): number[] {
    return processesWith(this.name, 'WSTUNNEL_PROCESS=');
  }

  async none(): Promise<void> {
    await until(() => this.pids().length === 0);
  }
}

/** The living processes whose environment has all these texts. */
export function processesWith(...texts: string[]): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid)
    .filter((pid) => {
      const environment = environmentOf(pid);
      return texts.every((text) => environment.includes(text));
    });
}

/** A zombie is not: it only waits to be counted. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** A zombie has none. */
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
