import type { Socket } from 'node:net';
import { WebSocketStream } from '../../frames/websocket-stream.js';
import { following } from '../../helpers/abort.js';
import { deferred } from '../../helpers/deferred.js';
import { endingOf, ORDERLY, type Ending } from '../../streams/close-causes.js';
import { Relay } from '../../streams/relay.js';
import type { ClientError } from '../client-error.js';
import { openWebSocket, type OpenedConnection } from '../handshake/open-websocket.js';
import { onLocalEnd } from './local-server.js';
import type { ListenSettings } from '../options.js';
import { withRetries } from '../handshake/retry.js';
import type { LocalTunnel } from '../client-types.js';

/** Events of a {@link LocalConnection}; the last one is `fail` or `close`, once. */
interface LocalConnectionHandlers {
  open(): void;
  retry(error: ClientError, seconds: number): void;
  fail(error: Error): void;
  close(ending: Ending, duration: number): void;
}

/** One local connection and its tunnel, from the first byte to the last: wait -> open -> relay -> close. */
export class LocalConnection {
  readonly id: number;
  /** Settles when both sockets are freed. */
  readonly ended: Promise<void>;
  isOpen = false;
  readonly #since = Date.now();
  readonly #local: Socket;
  readonly #settings: ListenSettings;
  readonly #handlers: LocalConnectionHandlers;
  readonly #ending: AbortSignal;
  readonly #ended = deferred();
  #stream: WebSocketStream | undefined;
  #relay: Relay | undefined;
  /** The listener closed the tunnel: an orderly end for the local program. */
  #isClosedHere = false;

  constructor(
    id: number,
    local: Socket,
    settings: ListenSettings,
    ending: AbortSignal,
    handlers: LocalConnectionHandlers,
  ) {
    this.id = id;
    this.#local = local;
    this.#settings = settings;
    this.#handlers = handlers;
    this.#ending = ending;
    this.ended = this.#ended.promise;
  }

  get bytesIn(): number {
    return this.#relay?.bytesIn ?? 0;
  }

  get bytesOut(): number {
    return this.#relay?.bytesOut ?? 0;
  }

  info(): LocalTunnel {
    const { id, bytesIn, bytesOut } = this;
    return { id, since: this.#since, bytesIn, bytesOut };
  }

  start(): void {
    const { controller, free } = following(this.#ending);
    const stop = onLocalEnd(this.#local, () =>
      controller.abort(new Error('the local program closed the connection before the tunnel was open')),
    );
    const attempt = () => openWebSocket(this.#settings, controller.signal);
    void withRetries(this.#settings, controller.signal, attempt, (error, seconds) =>
      this.#handlers.retry(error, seconds),
    )
      .finally(() => {
        stop();
        free();
      })
      .then(
        // Not inside the promise: an exception of a handler must not become a rejection.
        (opened) => process.nextTick(() => this.#join(opened)),
        (error: unknown) => process.nextTick(() => this.#fail(error as Error)),
      );
  }

  /** Sends Close 1001; bytes under way still arrive. */
  close(): void {
    this.#isClosedHere = true;
    this.#stream?.close(endingOf('drain', ''));
  }

  destroy(): void {
    this.#isClosedHere = true;
    this.#stream?.destroy(endingOf('destroyed', 'destroyed by close()'));
    this.#relay?.destroy();
  }

  #fail(error: Error): void {
    // A reset tells the local program that the end is not orderly. A unix socket has no reset.
    if (this.#local.remoteFamily === undefined) this.#local.destroy();
    else this.#local.resetAndDestroy();
    this.#ended.resolve();
    this.#handlers.fail(error);
  }

  #join({ socket, head }: OpenedConnection): void {
    // The listener was closed in the same event-loop turn in which the tunnel opened.
    if (this.#ending.aborted) {
      socket.destroy();
      this.#fail(this.#ending.reason as Error);
      return;
    }
    const since = performance.now();
    const stream: WebSocketStream = new WebSocketStream(
      socket,
      { ...this.#settings, role: 'client', frameType: 'binary' },
      {
        payload: (bytes, chunk) => relay.payload(bytes, chunk),
        drain: () => relay.drain(),
        closing: () => relay.closing(),
        ended: ({ code }) => relay.ended(this.#isClosedHere || ORDERLY.includes(code)),
        closed: (ending) => relay.closed(ending),
        flush: () => relay.flush(),
        isDelivering: () => relay.isDelivering(),
        sampleDelivery: (now) => relay.sampleDelivery(now),
      },
    );
    // For the relay, the local program is the backend. The relay's close reasons speak of a backend, so the server gets none of them.
    const end = {
      send: (bytes: Buffer, mayRelease: boolean) => stream.send(bytes, mayRelease),
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      sample: (now: number) => stream.sample(now),
      get stalledSince() {
        return stream.stalledSince;
      },
      get awaitsTurn() {
        return stream.awaitsTurn;
      },
      get abandoned() {
        return stream.abandoned;
      },
      confirmDelivery: () => stream.confirmDelivery(),
      failDelivery: () => stream.failDelivery('the local program did not accept what the server sent'),
      finish: () => stream.finish(''),
      close: ({ cause, code }: Ending) => stream.close(endingOf(cause, '', code)),
    };
    const relay: Relay = new Relay(this.#local, this.#settings, end, {
      done: (ending) => {
        this.isOpen = false;
        this.#ended.resolve();
        this.#handlers.close(ending, (performance.now() - since) / 1000);
      },
    });
    this.#stream = stream;
    this.#relay = relay;
    this.isOpen = true;
    this.#handlers.open();
    stream.start(head);
    relay.start();
  }
}
