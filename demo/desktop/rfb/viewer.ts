import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { intersect, union, type Rect } from '../draw/rect.js';
import { Region } from '../draw/region.js';
import { inputOf, key, pointer } from '../scene/input.js';
import type { Stage, Watcher } from '../scene/stage.js';
import { Encoder } from './encoder.js';
import { handshake, serverInit } from './handshake.js';
import { keyOf } from './keysyms.js';
import { readMessage, serverCutText, type ClientMessage } from './messages.js';
import { ByteReader } from './reader.js';

/** Bytes queued for a viewer that does not read. Above this limit, copies of the clipboard are dropped. */
const MAX_QUEUED = 256 * 1024;

/** Milliseconds of one viewer's messages in one event-loop turn. */
const TURN_MS = 5;

/** One connection to the shared desktop, with its pixel format, encoding and dirty rectangles. */
export class Viewer implements Watcher {
  readonly #encoder = new Encoder();
  readonly #dirty = new Region();
  readonly #input = inputOf({
    giveText: (text) => {
      if (this.socket.writableLength < MAX_QUEUED) this.socket.write(serverCutText(text));
    },
  });
  /** The area of all unanswered requests. */
  #wanted: Rect | undefined;
  #isSending = false;

  constructor(
    private readonly socket: Socket,
    private readonly stage: Stage,
    private readonly name: string,
    private readonly password?: string,
  ) {}

  /** Resolves at the end of the connection. Rejects on a protocol error. */
  async serve(handshakeSeconds: number): Promise<void> {
    const reader = new ByteReader(this.socket);
    const deadline = setTimeout(() => this.socket.destroy(), handshakeSeconds * 1000);
    try {
      await handshake(this.socket, reader, this.password);
    } finally {
      clearTimeout(deadline);
    }
    const { screen } = this.stage.scene;
    this.socket.write(serverInit(screen.width, screen.height, this.name));
    // The first update contains the whole screen, even if the first request is incremental.
    this.#dirty.add(screen.bounds);
    this.stage.join(this);
    try {
      for (let since = performance.now(); ;) {
        this.#take(await readMessage(reader));
        // All messages of a chunk are read in one event-loop turn: give other connections a turn during a flood.
        if (performance.now() - since > TURN_MS) {
          await setImmediate();
          since = performance.now();
        }
      }
    } finally {
      this.stage.scene.leave(this.#input.seat);
      this.stage.leave(this);
      this.stage.wake();
      this.#encoder.close();
    }
  }

  damaged(parts: readonly Rect[]): void {
    for (const part of parts) this.#dirty.add(part);
    this.#send();
  }

  #take(message: ClientMessage): void {
    const { scene } = this.stage;
    switch (message.type) {
      case 'SetPixelFormat':
        this.#encoder.setFormat(message.format);
        return;
      case 'SetEncodings':
        this.#encoder.setEncodings(message.encodings);
        this.#send();
        return;
      case 'FramebufferUpdateRequest':
        this.#request(message.area, message.incremental);
        return;
      case 'KeyEvent':
        key(scene, this.#input, keyOf(message.keysym), message.down);
        break;
      case 'PointerEvent': {
        const x = Math.min(message.x, scene.screen.width - 1);
        const y = Math.min(message.y, scene.screen.height - 1);
        pointer(scene, this.#input, x, y, message.buttons);
        break;
      }
      case 'ClientCutText':
        scene.clipboard.put(message.text);
        break;
    }
    this.stage.wake();
  }

  /** https://www.rfc-editor.org/rfc/rfc6143#section-7.5.3 */
  #request(area: Rect, incremental: boolean): void {
    const inside = intersect(area, this.stage.scene.screen.bounds);
    if (inside === undefined) return;
    this.#wanted = this.#wanted === undefined ? inside : union(this.#wanted, inside);
    if (!incremental) this.#dirty.add(inside);
    this.#send();
  }

  /** Sends one update at a time. During an update, changes are added to the dirty rectangles. */
  #send(): void {
    if (this.#isSending || this.#wanted === undefined) return;
    const parts = this.#dirty.take(this.#wanted);
    if (parts.length === 0 && !this.#encoder.owesCursor) return;
    this.#wanted = undefined;
    this.#isSending = true;
    this.#encoder
      .update(this.stage.scene.screen, parts)
      .then((bytes) => this.#write(bytes))
      .then(
        () => {
          this.#isSending = false;
          this.#send();
        },
        () => this.socket.destroy(),
      );
  }

  #write(bytes: Buffer): Promise<void> {
    return new Promise((done, failed) => {
      this.socket.write(bytes, (error) => (error ? failed(error) : done()));
    });
  }
}
