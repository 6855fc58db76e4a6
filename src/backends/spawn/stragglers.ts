import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program that forks faster than we look is not caught by looking more often. */
const MAX_LOOKS = 10;

/** A process that forks and ends while the list of processes is read shows neither itself nor its child in that list. */
const CLEAN_LOOKS = 2;

/**
 * Kills what has left the process group (a daemon) but still has the mark in its environment. Linux only: elsewhere the
 * environment of a process can't be read. What also clears its environment, or belongs to another user, escapes.
 */
export async function killStragglers(mark: string): Promise<void> {
  if (process.platform !== 'linux') return;
  let clean = 0;
  for (let look = 0; look < MAX_LOOKS && clean < CLEAN_LOOKS; look++) {
    const states = await lookAtAll(mark);
    for (const [pid, state] of states) if (state === 'marked') sendSignal(pid, 'SIGKILL');
    clean = states.length === 0 ? clean + 1 : 0;
    // What was killed may take a while to end. From 1 ms to half a second, 1 second in all.
    if (clean === 0) await sleep(2 ** look);
  }
}

/** False where there is nobody of that number. A negative number is a group. */
export function sendSignal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** `executing`: the process is between two programs, and what its environment will be can't be seen. */
type State = 'marked' | 'executing';

async function lookAtAll(mark: string): Promise<(readonly [pid: number, state: State])[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  const states = await Promise.all(pids.map(async (pid) => [pid, await stateOf(pid, mark)] as const));
  return states.filter((one): one is readonly [number, State] => one[1] !== undefined);
}

async function stateOf(pid: number, mark: string): Promise<State | undefined> {
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => undefined);
  if (environment?.includes(mark)) return 'marked';
  return environment === '' && (await isExecuting(pid)) ? 'executing' : undefined;
}

/**
 * Within execve(2) a process has its new memory for a while, but not the environment in it: /proc/PID/environ is empty until
 * `env_end` of /proc/PID/stat is set (proc(5), fields 23, 50 and 51). A zombie and a thread of the kernel have no memory at
 * all, and where the environment is empty by intent, it ends where it starts.
 */
async function isExecuting(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // The name, in brackets, is the second field, and may have brackets and spaces itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [memory, start, end] = [fields[23 - 3], fields[50 - 3], fields[51 - 3]];
  if (memory === undefined || memory === '0') return false;
  return end === '0' || end !== start;
}
