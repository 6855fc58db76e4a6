/**
 * The longest path of a unix socket, in bytes: `sun_path` without the final NUL. Node 20 truncates a longer path silently, and then
 * listens at, or connects to, a different path. Pipes on Windows have no such limit.
 */
const MAX_SOCKET_PATH = process.platform === 'win32' ? Infinity : process.platform === 'linux' ? 107 : 103;

/** The limit that works on every system (the one of macOS is the lowest), so that settings for `listen` are portable. */
export const PORTABLE_SOCKET_PATH = 103;

/**
 * Is the text the name of an abstract socket (unix(7)) rather than a path? The name is written `@name`, as in `ss` and systemd, or
 * with the kernel's leading NUL. A file of that name is written `./@name`.
 */
export function isAbstractSocket(path: string): boolean {
  return path.startsWith('@') || path.startsWith('\0');
}

/** Writes an abstract name as `@name`. */
export function normalizeSocketPath(path: string): string {
  return path.replace(/^\0/, '@');
}

/** The path for Node's `net`. Node 20 (libuv below 1.47) pads an abstract name with NULs: to the kernel, a different name. */
export function kernelPath(path: string): string {
  return path.replace(/^@/, '\0');
}

/** Why a path can't be a target (a clause that begins with "must"); undefined for a valid path. */
export function targetPathFault(path: string): string | undefined {
  if (isAbstractSocket(path) && process.platform !== 'linux')
    return 'must be a path: abstract sockets exist on Linux only (write ./@name for a file of that name)';
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) return `must be a path of at most ${MAX_SOCKET_PATH} bytes`;
  return undefined;
}

/**
 * Why a server must not listen at a path; undefined for a valid path. An abstract socket has neither mode nor owner: every program
 * in the network namespace could connect. A socket with a path is protected by the modes of the socket and the folder.
 */
export function listenPathFault(path: string, limit = MAX_SOCKET_PATH): string | undefined {
  if (isAbstractSocket(path))
    return 'an abstract socket has no permissions to keep other users out; give a path (write ./@name for a file of that name)';
  return Buffer.byteLength(path) > limit ? `a socket path has at most ${limit} bytes` : undefined;
}
