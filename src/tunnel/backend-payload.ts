import type { Duplex } from 'node:stream';
import { PayloadStream } from '../frames/payload-stream.js';
import type { StreamSettings } from '../frames/websocket-stream.js';
import { BackendClosed } from '../streams/backend-closed.js';
import { CLOSE } from '../streams/close-causes.js';
import { tame } from '../streams/tame.js';

type PayloadSettings = Omit<StreamSettings, 'role' | 'frameType'>;

/** The payload of the messages of a backend in `bytes` mode, as a stream of bytes. `head`: see {@link PayloadStream}. */
export function payloadOf(socket: Duplex, head: Buffer, settings: PayloadSettings): Duplex {
  return tame(new BackendPayload(socket, head, settings));
}

class BackendPayload extends PayloadStream {
  readonly #socket: Duplex;
  /** Undefined after the first read. A Close before the client's 101 response must reach the client as a Close, not as 502. */
  #start: (() => void) | undefined;

  constructor(socket: Duplex, head: Buffer, settings: PayloadSettings) {
    super();
    this.#socket = socket;
    this.#start = () => this.begin(socket, head, settings);
  }

  override _read(): void {
    const start = this.#start;
    this.#start = undefined;
    if (start) start();
    else super._read();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#start) this.#socket.destroy();
    super._destroy(error, done);
  }

  protected override failureOf(code: number, reason: string): Error {
    const how = code === CLOSE.abnormal ? 'was lost' : `was closed with ${code}`;
    return new BackendClosed(`the WebSocket of the backend ${how}${reason === '' ? '' : `: ${reason}`}`);
  }
}
