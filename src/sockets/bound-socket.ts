import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';

/** A line of /proc/net/unix (proc_net_unix(5)): flags, state and path. */
const BOUND = /^\w+: \w+ \w+ (\w+) \w+ (\w+) +\d+ (.+)$/gm;
/** The state of an unconnected socket (SS_UNCONNECTED). An accepted connection is also listed, under its listener's path. */
const UNCONNECTED = 1;

/**
 * Has a program bound a socket at this path without listening yet? A connection attempt can't tell such a socket from a stale one.
 * Only Linux lists the paths; on other systems, a program between its `bind` and its `listen` loses its path.
 */
export function isBound(path: string): boolean {
  const own = realPath(path);
  return [...listOfSockets().matchAll(BOUND)].some(([, flags = '', state = '', listed = '']) => {
    // A listening socket has a flag (__SO_ACCEPTCON), and would have accepted the connection attempt.
    if (Number(`0x${flags}`) !== 0 || Number(`0x${state}`) !== UNCONNECTED) return false;
    if (basename(listed) !== basename(own)) return false;
    // A relative path is listed without its folder: assume the same folder.
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

/** The path with the links of its folder resolved; where the folder can't be read, the absolute path. */
function realPath(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return resolve(path);
  }
}
