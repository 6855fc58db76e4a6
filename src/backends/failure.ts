import { TunnelError } from '../errors.js';

/**
 * The reason of a failed connection.
 *
 * `ours`: this process or machine lacks a resource; the host is not at fault. `passing`: the host reset the connection, or the
 * host's accept queue is full; one such failure among many connections is no outage. `down`: the host can't be reached.
 */
export type Failure = 'ours' | 'passing' | 'down';

/**
 * Errors of a lack of descriptors, memory, buffers, local ports or addresses, processes, or disk space for a socket.
 * EADDRNOTAVAIL of `connect` means on Linux that all local ports to this address are in use.
 */
const OURS = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'ENOSR', 'EADDRNOTAVAIL', 'ENOSPC', 'EDQUOT'];

const PASSING = ['ECONNRESET', 'ECONNABORTED', 'EPIPE'];

/** The kind of a socket's error, or of an AggregateError of all addresses of a name. */
export function failureOf(error: unknown): Failure {
  const failures = causesOf(error).map(failureOfOne);
  if (failures.every((one) => one === 'ours')) return 'ours';
  return failures.includes('passing') ? 'passing' : 'down';
}

function failureOfOne(error: unknown): Failure {
  const { code = '', syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (OURS.includes(code)) return 'ours';
  // From `connect` to a unix socket: the accept queue of the host is full (unix(7)). From other calls: no process, port or route
  // is left.
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

/** The refusal (503) of a request for lack of resources on this machine. */
export function exhausted(cause: unknown): TunnelError {
  return new TunnelError('WSTUNNEL_EXHAUSTED', 'this server has no resources left for another connection', {
    cause,
  });
}
