import { TunnelError } from '../errors.js';

/**
 * Why a connection failed.
 *
 * `ours`: this process or machine lacks a resource; the host is not at fault. `passing`: the host reset the connection, or its
 * accept queue is full; one such failure of many is no outage. `down`: the host can't be reached.
 */
export type Failure = 'ours' | 'passing' | 'down';

/**
 * No descriptor, memory, buffer, local port or address, process or space for a socket is left. EADDRNOTAVAIL of `connect` means on
 * Linux that all local ports to this address are in use.
 */
const OURS = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'ENOSR', 'EADDRNOTAVAIL', 'ENOSPC', 'EDQUOT'];

const PASSING = ['ECONNRESET', 'ECONNABORTED', 'EPIPE'];

/** The kind of an error of a socket, or of an AggregateError of all addresses of a name. */
export function failureOf(error: unknown): Failure {
  const failures = causesOf(error).map(failureOfOne);
  if (failures.every((one) => one === 'ours')) return 'ours';
  return failures.includes('passing') ? 'passing' : 'down';
}

function failureOfOne(error: unknown): Failure {
  const { code = '', syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (OURS.includes(code)) return 'ours';
  // From `connect` to a unix socket: its accept queue is full (unix(7)). From other calls: no process, port or route is left.
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

/** The 503 of a request for which this machine lacks resources. */
export function exhausted(cause: unknown): TunnelError {
  return new TunnelError('WSTUNNEL_EXHAUSTED', 'this server has no resources left for another connection', {
    cause,
  });
}
