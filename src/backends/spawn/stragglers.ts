import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Limit of scans: more scans would not catch a program that forks faster than a scan. */
const MAX_SCANS = 10;

/** Scans without a match in a row: a scan may miss a process that forks and ends meanwhile, and also the child of that process. */
const CLEAN_SCANS = 2;

/**
 * Kills processes that left the process group (daemons) but still have the mark in their environment. Works on Linux only:
 * elsewhere the environment of a process can't be read. Not found: a process that clears its environment, or belongs to another
 * user.
 */
export async function killStragglers(mark: string): Promise<void> {
  if (process.platform !== 'linux') return;
  let clean = 0;
  for (let scan = 0; scan < MAX_SCANS && clean < CLEAN_SCANS; scan++) {
    const states = await scanProcesses(mark);
    for (const [pid, state] of states) if (state === 'marked') sendSignal(pid, 'SIGKILL');
    clean = states.length === 0 ? clean + 1 : 0;
    // A killed process may take a while to end. The pauses grow from 1 ms to half a second, 1 second in all.
    if (clean === 0) await sleep(2 ** scan);
  }
}

/** Returns false if there is no such process. A negative number is a process group. */
export function sendSignal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** `executing`: the process is within execve(2), and the new environment can't be read yet. */
type State = 'marked' | 'executing';

async function scanProcesses(mark: string): Promise<(readonly [pid: number, state: State])[]> {
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
 * During execve(2) a process gets the new memory before the new environment: /proc/PID/environ is empty until `env_end` of
 * /proc/PID/stat is set (proc(5), fields 23, 50 and 51). A zombie and a kernel thread have no memory at all, and a really empty
 * environment ends at its start address.
 */
async function isExecuting(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // The second field is the name in parentheses. The name may contain parentheses and spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [memory, start, end] = [fields[23 - 3], fields[50 - 3], fields[51 - 3]];
  if (memory === undefined || memory === '0') return false;
  return end === '0' || end !== start;
}
