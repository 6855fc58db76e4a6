import { randomUUID } from 'node:crypto';
import { lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { isBound } from './bound-socket.js';

/**
 * Time limit for a listener to accept a connection, in ms. If the listener's backlog is full, Linux fails at once (EAGAIN); other
 * systems wait.
 */
const PROBE_TIMEOUT = 1000;

/** In ms. A lock lives for one probe and a few system calls: an older lock was left by a killed process. */
const MAX_LOCK_AGE = 10 * PROBE_TIMEOUT;
/** The prefix of our locks' link target; any other file at a lock's path is not ours. */
const LOCK_OWNER = 'wstunnel-';

/**
 * Calls `listen`, which listens at the path. If the path is in use by a stale socket (left by a killed program; no program listens
 * on it), removes the socket and calls `listen` again. If several processes call this function at the same time, one succeeds, and
 * the others fail with EADDRINUSE.
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
      // No `await` from here to the bind: otherwise the path could change between these checks and the removal.
      if (!isStale || identityOf(path) !== stale || isBound(path) || !lock.isHeld()) throw error;
      rmSync(path, { force: true });
      await listen();
    } finally {
      lock.release();
    }
  }
}

/** Is the file a socket on which no program listens? False for any other kind of file. */
export async function isStaleSocket(path: string): Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  return (await connectError(path)) === 'ECONNREFUSED' && !isBound(path);
}

/** Distinguishes a file from a later file at the same path. The identity includes the ctime, since file systems reuse inode numbers. */
function identityOf(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return found && [found.dev, found.ino, found.ctimeNs].join(' ');
}

/**
 * The lock is a dangling symbolic link: the creation is atomic, includes the content, and fails if the path exists. Undefined if
 * another process holds the lock.
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

/** By age, not by pid: the owner may run in another container with its own pids. */
function isAbandoned(lock: string): boolean {
  const found = lstatSync(lock, { throwIfNoEntry: false });
  if (!found || ownerOf(lock)?.startsWith(LOCK_OWNER) !== true) return false;
  // The absolute value, since after the clock was set back the time is in the future.
  return Math.abs(Date.now() - found.mtimeMs) > MAX_LOCK_AGE;
}

function ownerOf(lock: string): string | undefined {
  try {
    return readlinkSync(lock);
  } catch {
    return undefined;
  }
}

/** The error code of a connection attempt to a socket; empty if a program listens, or may listen. */
function connectError(path: string): Promise<string> {
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
