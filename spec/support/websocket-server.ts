import type { Duplex } from 'node:stream';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { acceptKeyFor } from '../../src/helpers/accept-key.js';
import type { ClientError } from '../../src/client/index.js';
import type { Certificate } from './certificate.js';
import { onCleanup } from './cleanup.js';
import { frame, RawClient } from './raw-client.js';
import { listen, portOf } from './servers.js';

/** A server that sends any bytes, even those that a WebSocket server never sends. */
export interface ByHand {
  readonly port: number;
  readonly url: string;
  /** The connections so far, in order. */
  readonly sockets: readonly Socket[];
}

/** The head of a request as received. */
export type Asked = string;

export const KEY_OF = /^sec-websocket-key: (.*)$/im;

/** The head of a valid 101; `undefined` leaves a header out. */
export function accepting(asked: Asked, headers: Record<string, string | undefined> = {}): string {
  const key = KEY_OF.exec(asked)?.[1] ?? '';
  const all: Record<string, string | undefined> = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': acceptKeyFor(key),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}\r\n`],
  );
  return `HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`;
}

/** Reads the request, and calls `serve` with the connection, which sends bytes and reads the client's frames. */
export async function startByHand(
  serve: (peer: RawClient, asked: Asked) => unknown,
  { tls }: { tls?: Certificate } = {},
): Promise<ByHand> {
  const sockets: Socket[] = [];
  const take = (socket: Socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    const peer = new RawClient(socket);
    void peer.head().then((asked) => (asked === undefined ? undefined : serve(peer, asked)));
  };
  const server = tls ? createTlsServer(tls, take) : createServer({ allowHalfOpen: true }, take);
  server.on('tlsClientError', () => undefined);
  await listen(server);
  const port = portOf(server);
  return { port, url: `${tls ? 'wss' : 'ws'}://127.0.0.1:${port}/x`, sockets };
}

/** A frame of a server. */
export function plain(opcode: number, payload: Uint8Array | string = '', final = true): Buffer {
  return frame(opcode, payload, { final, mask: null });
}

export function plainClose(code?: number, reason = ''): Buffer {
  if (code === undefined) return plain(8);
  return plain(8, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]));
}

/** Sends bytes to an echo, ends the stream when all bytes have returned, and resolves to the received bytes. */
export async function echoedBy(stream: Duplex, bytes: Buffer): Promise<Buffer> {
  stream.write(bytes);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    parts.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length === bytes.length) stream.end();
  }
  return Buffer.concat(parts);
}

/** Resolves to the error that ends the stream. */
export function failed(stream: NodeJS.EventEmitter): Promise<ClientError> {
  return new Promise((resolve) => stream.once('error', resolve));
}

/** Sets the environment's proxy variables for one test, and unsets the other proxy variables. */
export function setProxyEnvironment(given: Record<string, string>): void {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap((name) => [
    name,
    name.toLowerCase(),
  ]);
  const before = names.map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  };
  for (const name of names) set(name, given[name]);
  onCleanup(() => {
    for (const [name, value] of before) set(name, value);
  });
}
