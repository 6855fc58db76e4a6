import { TunnelError } from '../errors.js';

/**
 * What a failed connection says.
 *
 * `ours`: this process or machine lacks something, and no host is at fault. `passing`: somebody answered and hung up, or its
 * queue is full; one such failure of many is no outage. `down`: nobody answers there.
 */
export type Failure = 'ours' | 'passing' | 'down';

/**
 * No descriptor, memory, buffer, local port or address, process or space for a socket is left. Of `connect` on Linux,
 * EADDRNOTAVAIL is a range of local ports that is used up.
 */
const OURS = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'ENOSR', 'EADDRNOTAVAIL', 'ENOSPC', 'EDQUOT'];

const PASSING = ['ECONNRESET', 'ECONNABORTED', 'EPIPE'];

/** Of an error of a socket, or of all addresses of a name. */
export function failureOf(error: unknown): Failure {
  const failures = causesOf(error).map(failureOfOne);
  if (failures.every((one) => one === 'ours')) return 'ours';
  return failures.includes('passing') ? 'passing' : 'down';
}

function failureOfOne(error: unknown): Failure {
  const { code = '', syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (OURS.includes(code)) return 'ours';
  // Of `connect` to a unix socket: its queue is full (unix(7)). Of other calls: no process, port or route is left.
  if (code === 'EAGAIN') return syscall === 'connect' && isPath(error) ? 'passing' : 'ours';
  return PASSING.includes(code) ? 'passing' : 'down';
}

function isPath(error: unknown): boolean {
  return (error as { port?: number }).port === undefined;
}

function causesOf(error: unknown): readonly unknown[] {
  const all = error instanceof Error && error.cause instanceof AggregateError ? error.cause : error;
  return all instanceof AggregateError && all.errors.length > 0 ? all.errors : [error];
}

/** The 503 that is no host's fault. */
export function exhausted(cause: unknown): TunnelError {
  return new TunnelError('WSTUNNEL_EXHAUSTED', 'this server has no resources left for another connection', {
    cause,
  });
}
