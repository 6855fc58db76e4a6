import type { Duplex } from 'node:stream';
import type { PassageOwner } from '../frames/frame-passage.js';
import { WebSocketStream, type StreamHandlers, type StreamSettings } from '../frames/websocket-stream.js';
import type { Ending } from '../streams/close-causes.js';
import { Relay, type RelaySettings } from '../streams/relay.js';
import type { Activity } from '../streams/watch.js';

/** A tunnel whose backend gets the payload of frames as bare bytes. The counterpart of {@link FramePassage}. */
export class BytePassage implements StreamHandlers, Activity {
  readonly #owner: PassageOwner;
  readonly #client: Duplex;
  readonly #backend: Duplex;
  readonly #stream: WebSocketStream;
  readonly #relay: Relay;

  constructor(
    client: Duplex,
    backend: Duplex,
    settings: StreamSettings & RelaySettings,
    owner: PassageOwner,
  ) {
    this.#owner = owner;
    this.#client = client;
    this.#backend = backend;
    this.#stream = new WebSocketStream(client, settings, this);
    this.#relay = new Relay(backend, settings, this.#stream, owner);
  }

  /** Begins to read both sides; `head` is what the client sent after the opening handshake. */
  start(head: Buffer): void {
    this.#stream.start(head);
    this.#relay.start();
  }

  get isOpen(): boolean {
    return this.#stream.closing.state === 'open';
  }

  get bytesIn(): number {
    return this.#relay.bytesIn;
  }

  get bytesOut(): number {
    return this.#relay.bytesOut;
  }

  /** Bytes in the memory of this process that the backend's connection has not accepted. */
  get queuedToBackend(): number {
    return this.#backend.writableLength;
  }

  get queuedToClient(): number {
    return this.#client.writableLength;
  }

  /** Frames to the client are always whole: a Close can follow at once. */
  get beforeClose(): number {
    return 0;
  }

  get roundTrip(): number | undefined {
    return this.#stream.roundTrip;
  }

  sample(now: number): void {
    this.#relay.sample(now);
  }

  get lastPayload(): number {
    return this.#relay.lastPayload;
  }

  get silentSince(): number | undefined {
    return this.#relay.silentSince;
  }

  get stalledSince(): number | undefined {
    return this.#relay.stalledSince;
  }

  get clientStalledSince(): number | undefined {
    return this.#relay.clientStalledSince;
  }

  get lastInput(): number | undefined {
    return this.#relay.lastInput;
  }

  /** Sends a Close. Bytes of the client that arrive before the answer still reach the backend. */
  close(ending: Ending): void {
    this.#stream.close(ending);
  }

  /** Sends a Close, and drops further bytes of the client. */
  cutOff(ending: Ending): void {
    this.#stream.cutOff(ending);
  }

  /** Frees the client's socket at once. The backend gets its queued bytes and an end. */
  dropClient(ending: Ending): void {
    this.#stream.destroy(ending);
  }

  /** Frees both sockets at once. */
  destroy(ending: Ending): void {
    this.#stream.destroy(ending);
    this.#relay.destroy();
  }

  protected pauseClient(): void {
    this.#stream.pause();
  }

  protected resumeClient(): void {
    this.#stream.resume();
  }

  payload(bytes: Buffer, chunk: Buffer | undefined, more?: boolean): void {
    this.#relay.payload(bytes, chunk, more);
  }

  drain(): void {
    this.#relay.drain();
  }

  closing(ending: Ending): void {
    this.#owner.closing(ending);
    this.#relay.closing();
  }

  ended(): void {
    this.#relay.ended();
  }

  flush(): void {
    this.#relay.flush();
  }

  isDelivering(): boolean {
    return this.#relay.isDelivering();
  }

  sampleDelivery(now: number): boolean {
    return this.#relay.sampleDelivery(now);
  }

  closed(ending: Ending): void {
    this.#relay.closed(ending);
  }
}
