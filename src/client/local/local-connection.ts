import type { Socket } from 'node:net';
import { ORDERLY } from '../../frames/close-codes.js';
import { WebSocketStream, type CloseCause } from '../../frames/websocket-stream.js';
import { following } from '../../helpers/abort.js';
import { Relay } from '../../streams/relay.js';
import type { ClientError } from '../client-error.js';
import { openTunnel, type OpenedConnection } from '../handshake/open-tunnel.js';
import { onLocalEnd } from './local-server.js';
import type { ListenSettings } from '../options.js';
import { withRetries } from '../handshake/retry.js';
import type { LocalTunnel } from '../client-types.js';

/** What a {@link LocalConnection} tells; `fail` or `close` is the last, and comes once. */
export interface LocalConnectionHandlers {
  open(): void;
  retry(error: ClientError, seconds: number): void;
  fail(error: Error): void;
  close(cause: CloseCause, duration: number): void;
}

/** One local connection and its tunnel, first byte to last: wait -> open -> relay -> close. */
export class LocalConnection {
  readonly id: number;
  /** Settled when both sides are freed. */
  readonly ended: Promise<void>;
  isOpen = false;
  readonly #since = Date.now();
  readonly #local: Socket;
  readonly #settings: ListenSettings;
  readonly #handlers: LocalConnectionHandlers;
  readonly #ending: AbortSignal;
  #settle: () => void = () => undefined;
  #stream: WebSocketStream | undefined;
  #relay: Relay<CloseCause> | undefined;
  /** By the listener's own `close()`: an end, as of any program that stops. */
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
    this.ended = new Promise((resolve) => (this.#settle = resolve));
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
    const stop = onLocalEnd(this.#local, () => controller.abort(new Error('the local program left before')));
    const attempt = () => openTunnel(this.#settings, controller.signal);
    void withRetries(this.#settings, controller.signal, attempt, (error, seconds) =>
      this.#handlers.retry(error, seconds),
    )
      .finally(() => {
        stop();
        free();
      })
      .then(
        // Not here: what a listener throws would be a rejection.
        (opened) => process.nextTick(() => this.#join(opened)),
        (error: unknown) => process.nextTick(() => this.#fail(error as Error)),
      );
  }

  /** Close 1001; what is on its way still arrives. */
  close(): void {
    this.#isClosedHere = true;
    this.#stream?.close(1001, '');
  }

  destroy(): void {
    this.#isClosedHere = true;
    this.#stream?.destroy(1006, 'destroyed by close()');
    this.#relay?.destroy();
  }

  #fail(error: Error): void {
    // That it was no orderly end is all that can be told.
    if (this.#local.remoteFamily === undefined) this.#local.destroy();
    else this.#local.resetAndDestroy();
    this.#settle();
    this.#handlers.fail(error);
  }

  #join({ socket, head }: OpenedConnection): void {
    // Closed in the same turn.
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
        closed: (cause) => relay.closed(cause),
        isDelivering: () => relay.isDelivering(),
        delivers: () => relay.delivers(),
      },
    );
    // To the relay the backend is the local program; the server has no use for its words about it.
    const end = {
      send: (bytes: Buffer, mayRelease: boolean) => stream.send(bytes, mayRelease),
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      moves: () => stream.moves(),
      stalledSince: (now: number) => stream.stalledSince(now),
      get abandoned() {
        return stream.abandoned;
      },
      delivered: () => stream.delivered(),
      undelivered: () => stream.undelivered('the local program did not accept what the server sent'),
      finish: () => stream.finish(''),
      close: (code: number) => stream.close(code, ''),
    };
    const relay: Relay<CloseCause> = new Relay<CloseCause>(this.#local, this.#settings, end, (cause) => {
      this.isOpen = false;
      this.#settle();
      this.#handlers.close(cause, (performance.now() - since) / 1000);
    });
    this.#stream = stream;
    this.#relay = relay;
    this.isOpen = true;
    this.#handlers.open();
    stream.start(head);
    relay.start();
  }
}
