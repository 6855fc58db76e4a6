import type { Socket } from 'node:net';
import { WebSocketStream } from '../frames/websocket-stream.js';
import { following } from '../helpers/abort.js';
import { deferred } from '../helpers/deferred.js';
import { endingOf, ORDERLY, type Ending } from '../streams/close-causes.js';
import { Relay } from '../streams/relay.js';
import type { ClientError } from './errors.js';
import { open, type Opened } from './handshake.js';
import { whenLeft } from './local.js';
import type { ListenSettings } from './options.js';
import { withRetries } from './retry.js';
import type { LocalTunnel } from './types.js';

/** What a {@link Forward} tells; `fail` or `close` is the last, and comes once. */
export interface ForwardHandlers {
  open(): void;
  retry(error: ClientError, seconds: number): void;
  fail(error: Error): void;
  close(ending: Ending, duration: number): void;
}

/** One local connection and its tunnel, first byte to last: wait -> open -> relay -> close. */
export class Forward {
  readonly id: number;
  /** Settled when both sides are freed. */
  readonly ended: Promise<void>;
  isOpen = false;
  readonly #since = Date.now();
  readonly #local: Socket;
  readonly #settings: ListenSettings;
  readonly #handlers: ForwardHandlers;
  readonly #ending: AbortSignal;
  readonly #freed = deferred();
  #stream: WebSocketStream | undefined;
  #relay: Relay | undefined;
  /** By the listener's own `close()`: an end, as of any program that stops. */
  #isClosedHere = false;

  constructor(
    id: number,
    local: Socket,
    settings: ListenSettings,
    ending: AbortSignal,
    handlers: ForwardHandlers,
  ) {
    this.id = id;
    this.#local = local;
    this.#settings = settings;
    this.#handlers = handlers;
    this.#ending = ending;
    this.ended = this.#freed.promise;
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
    const stop = whenLeft(this.#local, () => controller.abort(new Error('the local program left before')));
    const attempt = () => open(this.#settings, controller.signal);
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
    this.#stream?.close(endingOf('drain', ''));
  }

  destroy(): void {
    this.#isClosedHere = true;
    this.#stream?.destroy(endingOf('destroyed', 'destroyed by close()'));
    this.#relay?.destroy();
  }

  #fail(error: Error): void {
    // That it was no orderly end is all that can be told.
    if (this.#local.remoteFamily === undefined) this.#local.destroy();
    else this.#local.resetAndDestroy();
    this.#freed.resolve();
    this.#handlers.fail(error);
  }

  #join({ socket, head }: Opened): void {
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
        closed: (ending) => relay.closed(ending),
        flush: () => relay.flush(),
        isDelivering: () => relay.isDelivering(),
        sampleDelivery: (now) => relay.sampleDelivery(now),
      },
    );
    // To the relay the backend is the local program; the server has no use for its words about it.
    const end = {
      send: (bytes: Buffer, mayRelease: boolean) => stream.send(bytes, mayRelease),
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      sample: (now: number) => stream.sample(now),
      get stalledSince() {
        return stream.stalledSince;
      },
      get abandoned() {
        return stream.abandoned;
      },
      confirmDelivery: () => stream.confirmDelivery(),
      failDelivery: () => stream.failDelivery('the local program did not accept what the server sent'),
      finish: () => stream.finish(''),
      close: ({ cause, code }: Ending) => stream.close(endingOf(cause, '', code)),
    };
    const relay: Relay = new Relay(this.#local, this.#settings, end, (ending) => {
      this.isOpen = false;
      this.#freed.resolve();
      this.#handlers.close(ending, (performance.now() - since) / 1000);
    });
    this.#stream = stream;
    this.#relay = relay;
    this.isOpen = true;
    this.#handlers.open();
    stream.start(head);
    relay.start();
  }
}
