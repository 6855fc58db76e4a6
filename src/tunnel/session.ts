import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketStream } from '../frames/websocket-stream.js';
import { deferred } from '../helpers/deferred.js';
import type { Lease } from '../helpers/lease.js';
import type { RuleSettings } from '../options/settings.js';
import { endingOf, type Ending } from '../streams/close-causes.js';
import { Relay } from '../streams/relay.js';
import { watch } from '../streams/watch.js';
import { infoOf, type ClientIdentity, type OpenTunnel, type TunnelContext } from './context.js';
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
  // Named one by one: a copy of all settings would stay in memory for each tunnel.
  const { pingInterval, pongTimeout, closeTimeout, drainTimeout, idleTimeout, maxDuration } = settings;
  const { readTimeout, writeTimeout } = host.host;
  const { buffered } = context.limits;
  const { id } = client;
  const since = Date.now();
  // The system clock may be set while the tunnel is open: the duration needs the monotonic clock.
  const start = performance.now();
  const info = () => infoOf(client, host.id, since, relay);
  const { promise: closed, resolve: settle } = deferred();
  const done = ({ cause, code, reason }: Ending) => {
    lease.release();
    slot.release();
    open.delete(tunnel);
    totals.closed(code, relay.bytesIn, relay.bytesOut);
    log('tunnel', 'info', '%s closed %d %s', id, code, reason);
    announce.close({ ...info(), cause, code, reason, duration: (performance.now() - start) / 1000 });
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
      closed: (ending) => relay.closed(ending),
      flush: () => relay.flush(),
      isDelivering: () => relay.isDelivering(),
      sampleDelivery: (now) => relay.sampleDelivery(now),
    },
  );
  const relay: Relay = new Relay(ends.socket, { closeTimeout, drainTimeout, buffered }, stream, done);
  const limits = { idleTimeout, maxDuration, readTimeout, writeTimeout };
  const clientWriteTimeout = settings.writeTimeout;
  const unwatch = watch({ ...limits, clientWriteTimeout }, relay, (ending) => {
    if (ending.cause === 'client-stalled') stream.destroy(ending);
    else stream.cutOff(ending);
  });
  const tunnel: OpenTunnel = {
    info,
    closed,
    close: (code, reason) => stream.close(endingOf('drain', reason, code)),
    cutOff: (code, reason) => stream.cutOff(endingOf('ended-by-app', reason, code)),
    destroy: () => {
      stream.destroy(endingOf('destroyed', 'destroyed by close()'));
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
