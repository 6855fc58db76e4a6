/**
 * The longest path of a unix socket, in bytes: `sun_path` without its final NUL. Node 20 cuts a longer path silently, and so
 * listens at, or connects to, another one. On Windows these are named pipes without such a limit.
 */
const MAX_SOCKET_PATH = process.platform === 'win32' ? Infinity : process.platform === 'linux' ? 107 : 103;

/** The same on every system (macOS has the shortest): settings for `listen` may be moved to another one. */
export const PORTABLE_SOCKET_PATH = 103;

/**
 * Is it the name of an abstract socket (unix(7)) and no path? `@name` as `ss`, systemd and socat's users write it, or with the NUL
 * that the kernel has there. A file of this name is written `./@name`.
 */
export function isAbstractSocket(path: string): boolean {
  return path.startsWith('@') || path.startsWith('\0');
}

/** One notation for both: `@name`. */
export function normalizeSocketPath(path: string): string {
  return path.replace(/^\0/, '@');
}

/** As Node's `net` takes it. Node 20 (libuv below 1.47) fills an abstract name up with NULs, which is another name to the kernel. */
export function kernelPath(path: string): string {
  return path.replace(/^@/, '\0');
}

/** What a target's path must be, and is not; undefined where it may be right. */
export function targetPathFault(path: string): string | undefined {
  if (isAbstractSocket(path) && process.platform !== 'linux')
    return 'must be a path: abstract sockets exist on Linux only (write ./@name for a file of that name)';
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) return `must be a path of at most ${MAX_SOCKET_PATH} bytes`;
  return undefined;
}

/**
 * Why nothing should listen there; undefined where it may. An abstract socket has neither mode nor owner: every program in the
 * network namespace could connect, while a socket's path is for its owner, or for whom the mode of its folder lets in.
 */
export function listenPathFault(path: string, limit = MAX_SOCKET_PATH): string | undefined {
  if (isAbstractSocket(path))
    return 'an abstract socket has no permissions to keep other users out; give a path (write ./@name for a file of that name)';
  return Buffer.byteLength(path) > limit ? `a socket path has at most ${limit} bytes` : undefined;
}
