import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketStream, type CloseCause } from '../frames/websocket-stream.js';
import type { Lease } from '../helpers/lease.js';
import type { RuleSettings } from '../options/settings.js';
import { Relay } from '../streams/relay.js';
import { watch } from '../streams/watch.js';
import {
  infoOf,
  promiseOfClose,
  type ClientIdentity,
  type OpenTunnel,
  type TunnelContext,
} from './context.js';
import type { BackendConnection } from './reach.js';

/** The two connections of a tunnel, and the slots to release at the end. */
interface SessionEnds extends BackendConnection {
  readonly slot: Lease;
  readonly client: Duplex;
  /** Bytes that the client sent after the request. */
  readonly head: Buffer;
  readonly frameType: 'binary' | 'text';
}

/**
 * Relays after the 101 response until both ends are closed: counts, logs and announces the tunnel, and enforces the time
 * options.
 *
 * A tunnel may be open for weeks: no reference to the request may remain.
 */
export function startSession<Req extends IncomingMessage>(
  context: TunnelContext,
  settings: RuleSettings<Req>,
  client: ClientIdentity,
  ends: SessionEnds,
): void {
  const { totals, open, log, announce } = context;
  const { host, lease, slot } = ends;
  // Named one by one: a copy of all settings would stay in memory for every tunnel.
  const { pingInterval, pongTimeout, closeTimeout, drainTimeout, idleTimeout, maxDuration } = settings;
  const { readTimeout, writeTimeout } = host.host;
  const { buffered } = context.limits;
  const { id } = client;
  const since = Date.now();
  // The system clock may be set while the tunnel is open: the duration needs the monotonic clock.
  const start = performance.now();
  const info = () => infoOf(client, host.id, since, relay);
  const { promise: closed, resolve: settle } = promiseOfClose();
  const done = ({ code, reason }: CloseCause) => {
    lease.release();
    slot.release();
    open.delete(tunnel);
    totals.closed(code, relay.bytesIn, relay.bytesOut);
    log('tunnel', 'info', '%s closed %d %s', id, code, reason);
    announce.close({ ...info(), code, reason, duration: (performance.now() - start) / 1000 });
    settle();
  };
  const stream: WebSocketStream = new WebSocketStream(
    ends.client,
    { pingInterval, pongTimeout, closeTimeout, drainTimeout, buffered, frameType: ends.frameType },
    {
      payload: (bytes, chunk) => relay.payload(bytes, chunk),
      drain: () => relay.drain(),
      closing: () => {
        unwatch();
        relay.closing();
      },
      ended: () => relay.ended(),
      closed: (cause) => relay.closed(cause),
      isDelivering: () => relay.isDelivering(),
      delivers: () => relay.delivers(),
    },
  );
  const relay: Relay<CloseCause> = new Relay<CloseCause>(
    ends.socket,
    { closeTimeout, drainTimeout, buffered },
    stream,
    done,
  );
  const limits = { idleTimeout, maxDuration, readTimeout, writeTimeout };
  const clientWriteTimeout = settings.writeTimeout;
  const unwatch = watch({ ...limits, clientWriteTimeout }, relay, (code, reason) => {
    if (code === 1006) stream.destroy(code, reason);
    else stream.cutOff(code, reason);
  });
  const tunnel: OpenTunnel = {
    info,
    closed,
    close: (code, reason) => stream.close(code, reason),
    cutOff: (code, reason) => stream.cutOff(code, reason),
    destroy: () => {
      stream.destroy(1006, 'destroyed by close()');
      relay.destroy();
    },
  };
  open.add(tunnel);
  totals.opened++;
  log('tunnel', 'info', '%s opened: %s from %s to %s', id, client.url, client.address, host.id);
  announce.open(info());
  stream.start(ends.head);
  relay.start();
}
