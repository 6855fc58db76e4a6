import type { Duplex } from 'node:stream';
import { TunnelError } from '../errors.js';
import { following } from '../helpers/abort.js';
import { withAllCauses } from './all-causes.js';
import { carriedBy } from '../streams/carrier.js';
import { discard } from '../streams/discard.js';
import { exhausted, failureOf } from './failure.js';
import type { ResolvedHost } from './host.js';
import { untilConnected } from './until-connected.js';
import { takeStream } from './stream.js';
import { startTls } from './tls.js';
import { connectTransport } from './transport.js';

/**
 * Connects to a host: its name is resolved now, all addresses are tried; then `preface` is sent, and TLS begins where the
 * host wants it. The socket is handed over paused, so that a banner sent at once (VNC, SSH) waits for the relay. Rejects
 * with 502, 504, or the signal's reason.
 */
export async function dial(host: ResolvedHost, signal: AbortSignal, preface?: Buffer): Promise<Duplex> {
  const { controller, free } = following(signal);
  const timer = setTimeout(
    () => controller.abort(new TunnelError('WSTUNNEL_BACKEND_TIMEOUT', 'the backend did not answer in time')),
    host.connectTimeout * 1000,
  );
  let transport: Duplex | undefined;
  try {
    transport = await (host.connect
      ? takeStream(host.connect, controller.signal)
      : connectTransport(host, controller.signal));
    await untilConnected(transport, controller.signal);
    if (preface) transport.write(preface);
    if (host.tls === undefined || host.tls === false) return transport.pause();
    const secured = carriedBy(startTls(transport, host), transport);
    await untilConnected(secured, controller.signal);
    return secured.pause();
  } catch (error) {
    if (transport) discard(transport);
    if (controller.signal.aborted) throw controller.signal.reason;
    if (error instanceof TunnelError) throw error;
    const cause = withAllCauses(error);
    if (failureOf(error) === 'ours') throw exhausted(cause);
    throw new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend could not be reached', { cause });
  } finally {
    clearTimeout(timer);
    free();
  }
}
