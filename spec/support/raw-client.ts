import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';
import { onCleanup } from './cleanup.js';

/** A frame received from the server. */
export interface RawFrame {
  readonly final: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

/** The head of an HTTP answer. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly header: string;
}

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const MASK = Buffer.from([0x11, 0x22, 0x33, 0x44]);

/** Headers of a request: `undefined` leaves a header out, a list sends it several times. */
export type RawHeaders = Record<string, string | string[] | undefined>;

/** The bytes of a valid upgrade request, the opening handshake of RFC 6455 section 4.1, with changes by `headers`. */
export function handshake(path: string, headers: RawHeaders = {}, start = 'GET'): string {
  return requestText(`${start} ${path} HTTP/1.1`, {
    Host: '127.0.0.1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': KEY,
    ...headers,
  });
}

/** The bytes of a GET for a page; the server closes the connection after the answer, unless `headers` say otherwise. */
export function pageRequest(path: string, headers: RawHeaders = {}): string {
  return requestText(`GET ${path} HTTP/1.1`, { Host: '127.0.0.1', Connection: 'close', ...headers });
}

function requestText(start: string, headers: RawHeaders): string {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => `${name}: ${one}\r\n`),
  );
  return `${start}\r\n${lines.join('')}\r\n`;
}

/** A frame of a client, masked unless `mask` is null. `length` may differ from the actual length. */
export function frame(
  opcode: number,
  payload: Uint8Array | string = '',
  {
    final = true,
    rsv = 0,
    mask = MASK,
    length = Buffer.from(payload as string).length,
  }: { final?: boolean; rsv?: number; mask?: Buffer | null; length?: number } = {},
): Buffer {
  const bytes = Buffer.from(payload as string);
  const first = (final ? 0x80 : 0) | (rsv << 4) | opcode;
  const flag = mask ? 0x80 : 0;
  let header: Buffer;
  if (length < 126) header = Buffer.from([first, flag | length]);
  else if (length < 65536) header = Buffer.from([first, flag | 126, length >> 8, length & 255]);
  else {
    header = Buffer.alloc(10);
    header.writeUInt8(first, 0);
    header.writeUInt8(flag | 127, 1);
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  if (!mask) return Buffer.concat([header, bytes]);
  return Buffer.concat([header, mask, bytes.map((byte, i) => byte ^ mask[i % 4]!)]);
}

export function closeFrame(code?: number, reason = ''): Buffer {
  if (code === undefined) return frame(8);
  return frame(8, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]));
}

/** Most reads in a row after the end of a connection: such reads use no event-loop turn, so the test's timeout can't fire. */
const MAX_IN_VAIN = 1000;

/** A client that sends any bytes, even those that a WebSocket library refuses to send. */
export class RawClient {
  readonly socket: Socket;
  #input: Buffer = Buffer.alloc(0);
  // Concatenated at the next read, since a test may leave megabytes unread.
  #arrived: Buffer[] = [];
  #length = 0;
  #ended = false;
  #inVain = 0;
  #wake: (() => void) | undefined;

  /** Connects to a port on loopback, or uses the given socket. */
  constructor(target: number | Socket) {
    this.socket =
      typeof target === 'number' ? connect({ port: target, host: '127.0.0.1', allowHalfOpen: true }) : target;
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk) => {
      this.#arrived.push(chunk);
      this.#length += chunk.length;
      this.#wake?.();
    });
    for (const event of ['end', 'close'])
      this.socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
    onCleanup(() => this.socket.destroy());
  }

  send(...parts: (Uint8Array | string)[]): this {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
    return this;
  }

  /** Waits for `length` bytes and removes them; returns fewer bytes if the server ends first. */
  async take(length: number): Promise<Buffer> {
    while (this.#length < length && !this.#ended) await this.#more();
    const input = this.#joined();
    const taken = input.subarray(0, length);
    this.#input = input.subarray(taken.length);
    this.#length -= taken.length;
    if (taken.length > 0 || length === 0) this.#inVain = 0;
    else if (++this.#inVain > MAX_IN_VAIN)
      throw new Error('the other side has ended, and a loop reads on: it would go on for ever');
    return Buffer.from(taken);
  }

  #joined(): Buffer {
    if (this.#arrived.length > 0) this.#input = Buffer.concat([this.#input, ...this.#arrived]);
    this.#arrived = [];
    return this.#input;
  }

  /** All bytes up to the server's end. */
  async rest(): Promise<Buffer> {
    while (!this.#ended) await this.#more();
    return this.take(this.#length);
  }

  /** The head of an HTTP message including its empty line; undefined if the server ends first. */
  async head(): Promise<string | undefined> {
    while (!this.#joined().includes('\r\n\r\n')) {
      if (this.#ended) return undefined;
      await this.#more();
    }
    return (await this.take(this.#joined().indexOf('\r\n\r\n') + 4)).toString('latin1');
  }

  async answer(): Promise<RawAnswer> {
    const header = await this.head();
    if (header === undefined)
      throw new Error(`no answer, only: ${JSON.stringify(this.#joined().toString('latin1'))}`);
    const [start = '', ...lines] = header.trimEnd().split('\r\n');
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const [name = '', ...value] = line.split(': ');
      const known = headers[name.toLowerCase()];
      headers[name.toLowerCase()] = (known === undefined ? '' : `${known}, `) + value.join(': ');
    }
    return { status: Number(start.split(' ')[1]), headers, header };
  }

  /** The next frame; undefined after the server has ended. */
  async frame(): Promise<RawFrame | undefined> {
    const start = await this.take(2);
    if (start.length < 2) return undefined;
    let length = start[1]! & 0x7f;
    if (length === 126) length = (await this.take(2)).readUInt16BE();
    else if (length === 127) length = Number((await this.take(8)).readBigUInt64BE());
    const mask = (start[1]! & 0x80) === 0 ? undefined : await this.take(4);
    const bytes = await this.take(length);
    const payload = mask ? Buffer.from(bytes.map((byte, i) => byte ^ mask[i % 4]!)) : bytes;
    return { final: (start[0]! & 0x80) !== 0, opcode: start[0]! & 0x0f, payload };
  }

  /** Payload of data frames: at least `length` bytes, unless the server ends first. */
  async payload(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let have = 0; have < length;) {
      const next = await this.frame();
      if (!next) break;
      if (next.opcode > 2) continue;
      parts.push(next.payload);
      have += next.payload.length;
    }
    return Buffer.concat(parts);
  }

  /**
   * The first match in the payload, as UTF-8 text; rejects if the server ends first. A test's own loop around `payload` would then
   * never end, since without an event-loop turn the test's timeout can't fire.
   */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    let seen = '';
    for (;;) {
      const match = pattern.exec(seen);
      if (match) return match;
      const more = await this.payload(1);
      if (more.length === 0) throw new Error(`the end came before ${pattern}: ${JSON.stringify(seen)}`);
      seen += more.toString();
    }
  }

  /** The server's Close, after skipping other frames; undefined if the server ends without a Close. */
  async close(): Promise<{ code: number; reason: string } | undefined> {
    for (let next = await this.frame(); next; next = await this.frame()) {
      if (next.opcode !== 8) continue;
      const code = next.payload.length < 2 ? 1005 : next.payload.readUInt16BE();
      return { code, reason: next.payload.toString('utf8', 2) };
    }
    return undefined;
  }

  /** Resolves when the server has ended its side or reset the connection. */
  async ended(): Promise<void> {
    while (!this.#ended) await this.#more();
  }

  /** Resolves when the socket is closed. */
  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close');
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

/** Connects and sends an upgrade request; the answer is not read yet. */
export function requestTunnel(
  target: number | Socket,
  path = '/tunnel',
  headers: RawHeaders = {},
): RawClient {
  return new RawClient(target).send(handshake(path, headers));
}

/** The status of the answer to an upgrade request: 101, or the refusal's status. Closes the connection afterwards. */
export async function statusOf(
  target: number | Socket,
  path = '/tunnel',
  headers: RawHeaders = {},
): Promise<number> {
  return statusOfRequest(target, handshake(path, headers));
}

/** The status of a page. The path is sent unchanged; `fetch` would normalize it. */
export async function pageStatus(port: number, path: string, headers: RawHeaders = {}): Promise<number> {
  return statusOfRequest(port, pageRequest(path, headers));
}

async function statusOfRequest(target: number | Socket, request: string): Promise<number> {
  const client = new RawClient(target).send(request);
  const { status } = await client.answer();
  client.socket.destroy();
  return status;
}

/** Checks that the tunnel leads to an echo: the client sends a text and receives the same text. */
export async function echoes(client: RawClient, text = 'ping'): Promise<void> {
  client.send(frame(2, text));
  expect((await client.payload(text.length)).toString()).toBe(text);
}

/** Opens a tunnel; fails unless the answer is 101. */
export async function openRaw(
  target: number | Socket,
  path = '/tunnel',
  headers: RawHeaders = {},
): Promise<RawClient> {
  const client = requestTunnel(target, path, headers);
  const { status, header } = await client.answer();
  if (status !== 101) throw new Error(`no tunnel: ${header}`);
  return client;
}
