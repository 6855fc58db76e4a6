import type { Duplex } from 'node:stream';
import type { PassageOwner } from '../frames/frame-passage.js';
import type { StreamSettings } from '../frames/websocket-stream.js';
import type { Ending } from '../streams/close-causes.js';
import { isNodeSocket } from '../streams/release.js';
import type { RelaySettings } from '../streams/relay.js';
import { BytePassage } from './byte-passage.js';
import type { Control, ControlledTunnel } from './control.js';

const NOTHING = Buffer.alloc(0);

/**
 * A passage whose client sends control messages. A message is passed on after the bytes before it. A socket writes in the order of the
 * calls. A stream of the app may still have bytes queued: until it has accepted them, the message and all later input are queued here, and the
 * client is not read.
 */
export class ControlledPassage extends BytePassage {
  readonly #backend: Duplex;
  readonly #control: Control;
  readonly #tunnel: ControlledTunnel;
  readonly #isSocket: boolean;
  /** Input of the client in its order: bytes, and messages as strings. Undefined if none is queued. */
  #queue: (Buffer | string)[] | undefined;
  /** Blocks all input: the client was cut off. */
  #isCutOff = false;

  constructor(
    client: Duplex,
    backend: Duplex,
    settings: StreamSettings & RelaySettings,
    owner: PassageOwner & ControlledTunnel,
    control: Control,
  ) {
    super(client, backend, settings, owner);
    this.#backend = backend;
    this.#control = control;
    this.#tunnel = owner;
    this.#isSocket = isNodeSocket(backend);
  }

  message(text: string): void {
    if (this.#queue) this.#queue.push(text);
    else if (this.#mustWait) this.#wait([text]);
    else this.#control.message(text, this.#tunnel);
  }

  override payload(bytes: Buffer, chunk: Buffer | undefined, more?: boolean): void {
    if (this.#queue) this.#queue.push(bytes);
    else super.payload(bytes, chunk, more);
  }

  /** The client's last data has arrived: the rest is passed on at once, since the deadlines of the end count from now on. */
  override flush(): void {
    this.#passOn(false);
    super.flush();
  }

  override ended(): void {
    this.#passOn(false);
    super.ended();
  }

  override cutOff(ending: Ending): void {
    this.#queue = undefined;
    this.#isCutOff = true;
    super.cutOff(ending);
  }

  get #mustWait(): boolean {
    return !this.#isSocket && this.#backend.writable && this.#backend.writableLength > 0;
  }

  #wait(queue: (Buffer | string)[]): void {
    this.#queue = queue;
    this.pauseClient();
    // Called after all earlier bytes were accepted, or with an error when the stream is destroyed.
    this.#backend.write(NOTHING, () => this.#passOn(true));
  }

  /** Passes on queued input. `inOrder`: stops at a message while the backend has not accepted the bytes before it. */
  #passOn(inOrder: boolean): void {
    const queue = this.#queue;
    if (!queue) return;
    this.#queue = undefined;
    for (const [at, item] of queue.entries()) {
      // By the app's function, in the middle of the queue.
      if (this.#isCutOff) return;
      if (typeof item !== 'string') super.payload(item, undefined);
      else if (inOrder && this.#mustWait) {
        this.#wait(queue.slice(at));
        return;
      } else this.#control.message(item, this.#tunnel);
    }
    this.resumeClient();
  }
}
