import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';

/** A line of /proc/net/unix (proc_net_unix(5)): flags, state and path. */
const BOUND = /^\w+: \w+ \w+ (\w+) \w+ (\w+) +\d+ (.+)$/gm;
/** The state of a socket that is not connected (SS_UNCONNECTED). An accepted connection has its listener's path as well. */
const UNCONNECTED = 1;

/**
 * Has a program bound a socket at this path without listening yet? To a connection it looks like a stale one. Only Linux lists the
 * paths; elsewhere such a program, in the moment between its two calls, loses its path.
 */
export function isBound(path: string): boolean {
  const own = realPath(path);
  return [...listOfSockets().matchAll(BOUND)].some(([, flags = '', state = '', listed = '']) => {
    // A socket that listens has a flag (__SO_ACCEPTCON), and would have taken the connection.
    if (Number(`0x${flags}`) !== 0 || Number(`0x${state}`) !== UNCONNECTED) return false;
    if (basename(listed) !== basename(own)) return false;
    // The folder of a relative one is not known: it may be ours.
    return !isAbsolute(listed) || realPath(listed) === own;
  });
}

function listOfSockets(): string {
  try {
    return process.platform === 'linux' ? readFileSync('/proc/net/unix', 'utf8') : '';
  } catch {
    return '';
  }
}

/** With the links of its folder resolved; the path itself where the folder can't be read. */
function realPath(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return resolve(path);
  }
}
