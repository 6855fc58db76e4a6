import { randomUUID } from 'node:crypto';
import { lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { isBound } from './bound-socket.js';

/** What a listener has to accept a connection, in ms; with a full queue Linux answers EAGAIN at once, others wait. */
const PROBE_TIMEOUT = 1000;

/** In ms. A lock is held for one probe and a few calls of the system: an older one is of a process that was killed meanwhile. */
const MAX_LOCK_AGE = 10 * PROBE_TIMEOUT;
/** What our locks point to begins with it; anything else at their path is somebody's own. */
const LOCK_OWNER = 'wstunnel-';

/**
 * Listens at a path by `listen`. Where the path is in use by a socket on which no program listens any more (left by one that was
 * killed), the socket is removed and `listen` is called once more. Of several processes that do so at once, one listens; the
 * others get the EADDRINUSE.
 */
export async function listenAtPath(path: string, listen: () => Promise<void>): Promise<void> {
  try {
    await listen();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const stale = code === 'EADDRINUSE' && (await isStaleSocket(path)) ? identityOf(path) : undefined;
    if (stale === undefined) throw error;
    const lock = acquireLock(`${path}.lock`);
    if (!lock) throw error;
    try {
      // Another process may have listened here between the first probe and the lock.
      const isStale = await isStaleSocket(path);
      // No `await` from here to the bind: only then are these checks true of what is removed.
      if (!isStale || identityOf(path) !== stale || isBound(path) || !lock.isHeld()) throw error;
      rmSync(path, { force: true });
      await listen();
    } finally {
      lock.release();
    }
  }
}

/** Is it a socket on which no program listens? False for any other kind of file. */
async function isStaleSocket(path: string): Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  return (await connectError(path)) === 'ECONNREFUSED' && !isBound(path);
}

/** Tells a file from a later one at the same path. The time as well: a file system may give the number of a removed file again. */
function identityOf(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return found && [found.dev, found.ino, found.ctimeNs].join(' ');
}

/**
 * A symbolic link that points to nothing: it is made with its content in one step, and only where nothing is. Undefined where
 * somebody else holds the lock.
 */
function acquireLock(path: string): { isHeld: () => boolean; release: () => void } | undefined {
  const owner = `${LOCK_OWNER}${process.pid}-${randomUUID()}`;
  const isHeld = () => ownerOf(path) === owner;
  if (isAbandoned(path)) rmSync(path, { force: true });
  try {
    symlinkSync(owner, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
  return {
    isHeld,
    release: () => {
      if (isHeld()) rmSync(path, { force: true });
    },
  };
}

/** By its age, not by its process: that may run in another container, where its number means nothing here. */
function isAbandoned(lock: string): boolean {
  const found = lstatSync(lock, { throwIfNoEntry: false });
  if (!found || ownerOf(lock)?.startsWith(LOCK_OWNER) !== true) return false;
  // Also a time that is yet to come: the clock was set back.
  return Math.abs(Date.now() - found.mtimeMs) > MAX_LOCK_AGE;
}

function ownerOf(lock: string): string | undefined {
  try {
    return readlinkSync(lock);
  } catch {
    return undefined;
  }
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
