import { lstatSync, rmSync } from 'node:fs';
import { connect } from 'node:net';

/** What a listener has to accept a connection, in ms; with a full queue Linux answers EAGAIN at once, others wait. */
const PROBE_TIMEOUT = 1000;

/**
 * Listens at a path by `listen`. Where the path is in use by a socket on which no program listens any more (left by one that was
 * killed), the socket is removed and `listen` is called once more.
 */
export async function listenAtPath(path: string, listen: () => Promise<void>): Promise<void> {
  try {
    await listen();
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    if (!isTaken || !(await isStaleSocket(path))) throw error;
    rmSync(path, { force: true });
    await listen();
  }
}

/** Is it a socket on which no program listens? False for any other kind of file. */
async function isStaleSocket(path: string): Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  return (await connectError(path)) === 'ECONNREFUSED';
}

/** The code of the error of a connection to a socket; empty where a program listens, or may. */
export function connectError(path: string): Promise<string> {
  return new Promise((resolve) => {
    const probe = connect({ path, timeout: PROBE_TIMEOUT });
    probe.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    for (const event of ['connect', 'timeout'] as const)
      probe.on(event, () => {
        probe.destroy();
        resolve('');
      });
  });
}
