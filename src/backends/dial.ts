import type { Duplex } from 'node:stream';
import { TunnelError } from '../errors.js';
import { Cancellation, isPromise, orAborted, type AbortState } from '../helpers/abort.js';
import { carriedBy, carrierOf } from '../streams/carrier.js';
import { discard } from '../streams/discard.js';
import { tame } from '../streams/tame.js';
import { untilConnected } from '../streams/until-connected.js';
import { withAllCauses } from './all-causes.js';
import { exhausted, failureOf } from './failure.js';
import type { ResolvedHost } from './host.js';
import { startTls } from './tls.js';
import { openTransport } from './transport.js';

/**
 * Connects to a host: resolves the host's name, tries all addresses, sends `preface`, and starts TLS if the host has the option.
 * The returned stream is paused, so that an early banner of the backend (VNC, SSH) stays queued for the relay. Rejects with 502,
 * with 503 where this machine lacks resources, with 504, or with the signal's reason.
 */
export function dial(host: ResolvedHost, signal: AbortState, preface?: Buffer): Promise<Duplex> {
  return dialAnd(host, signal, preface, (stream) => stream);
}

/**
 * The same, and then `finish` on the open connection, within the same `connectTimeout`: the signal aborts after that time. The
 * connection is destroyed if `finish` rejects.
 */
export async function dialAnd<T>(
  host: ResolvedHost,
  signal: AbortState,
  preface: Buffer | undefined,
  finish: (stream: Duplex, signal: AbortState) => T | Promise<T>,
): Promise<T> {
  const attempt = new DialAttempt(signal, host.connectTimeout);
  let transport: Duplex | undefined;
  try {
    const opening = openTransport(host, attempt);
    transport = isPromise(opening) ? await opening : opening;
    await untilConnected(transport, attempt);
    if (host.connect) transport = tame(transport);
    if (preface) transport.write(preface);
    let stream = transport;
    if (host.tls !== undefined && host.tls !== false && host.isBare !== true) {
      stream = carriedBy(startTls(transport, host), carrierOf(transport));
      await untilConnected(stream, attempt);
    }
    const finishing = finish(stream.pause(), attempt);
    return isPromise(finishing) ? await finishing : finishing;
  } catch (error) {
    if (transport) discard(transport);
    if (attempt.aborted) throw attempt.reason;
    if (error instanceof TunnelError) throw error;
    const cause = withAllCauses(error);
    if (failureOf(error) === 'ours') throw exhausted(cause);
    throw new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend could not be reached', { cause });
  } finally {
    attempt.end();
  }
}

/**
 * A further step on a connection to a host, within the `connectTimeout` that began at `start` (milliseconds of `performance.now()`): the
 * signal aborts after that time. The connection is destroyed if the step fails.
 */
export async function continueWithin<T>(
  { connectTimeout }: ResolvedHost,
  start: number,
  connection: Duplex,
  signal: AbortState,
  step: (signal: AbortState) => Promise<T>,
): Promise<T> {
  const attempt = new DialAttempt(signal, connectTimeout - (performance.now() - start) / 1000);
  try {
    return await orAborted(attempt, () => step(attempt));
  } catch (error) {
    discard(connection);
    if (attempt.aborted) throw attempt.reason;
    if (error instanceof TunnelError) throw error;
    throw new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the connection to the backend was lost', {
      cause: error,
    });
  } finally {
    attempt.end();
  }
}

/** Aborts with the request's signal, and after `connectTimeout`. */
class DialAttempt extends Cancellation {
  readonly #outer: AbortState;
  readonly #timer: NodeJS.Timeout;

  constructor(outer: AbortState, seconds: number) {
    super();
    this.#outer = outer;
    this.#timer = setTimeout(onTimeout, seconds * 1000, this);
    outer.addEventListener('abort', this.#onAbort);
    if (outer.aborted) this.#onAbort();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => this.abort(this.#outer.reason);
}

function onTimeout(attempt: DialAttempt): void {
  attempt.abort(new TunnelError('WSTUNNEL_BACKEND_TIMEOUT', 'the backend did not answer in time'));
}
