import { readdir, readFile } from 'node:fs/promises';

/** A program that forks faster than we look is not caught by looking more often. */
const MAX_ROUNDS = 10;

/**
 * Kills what has left the process group (a daemon) but still has the mark in its environment. Linux only: elsewhere the
 * environment of a process can't be read. What also clears its environment, or belongs to another user, escapes.
 */
export async function killStragglers(mark: string): Promise<void> {
  if (process.platform !== 'linux') return;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const found = await find(mark);
    if (found.length === 0) return;
    for (const pid of found) signal(pid, 'SIGKILL');
  }
}

/** False where there is nobody of that number. A negative number is a group. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

async function find(mark: string): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  const found = await Promise.all(pids.map((pid) => hasMark(pid, mark)));
  return pids.filter((_, index) => found[index]);
}

/** A zombie has no environment any more. */
async function hasMark(pid: number, mark: string): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  return environment.includes(mark);
}
