import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import { dial } from '../../src/backends/dial.js';
import { startTls } from '../../src/backends/tls.js';
import type { Host } from '../../src/index.js';
import { readHosts } from '../../src/options/read-hosts.js';
import { anonymousTls } from '../../src/vnc/anonymous-tls.js';
import { loginToBackend, type BackendLogin, type StartTls } from '../../src/vnc/backend-login.js';
import { certificate } from './certificate.js';
import { onCleanup } from './cleanup.js';
import { startBackend } from './servers.js';

/** One connection of a scripted VNC server. */
export class ScriptedPeer {
  sent = 0;
  #stream: Duplex;
  readonly #most: number;
  readonly #isSlow: boolean;

  constructor(socket: Socket, most: number, isSlow: boolean) {
    this.#stream = socket.setNoDelay(true);
    this.#most = most;
    this.#isSlow = isSlow;
    socket.pause();
  }

  /** Sends bytes, numbers of one byte, or text; only up to the limit of the connection, where the connection ends. */
  async send(...parts: (Buffer | string | number)[]): Promise<void> {
    const all = Buffer.concat(
      parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))),
    );
    const bytes = all.subarray(0, this.#most - this.sent);
    this.sent += bytes.length;
    for (const piece of this.#isSlow ? Array.from(bytes, (byte) => Buffer.of(byte)) : [bytes]) {
      await new Promise((resolve) => this.#stream.write(piece, resolve));
      if (this.#isSlow) await new Promise((resolve) => setImmediate(resolve));
    }
    if (bytes.length === all.length) return;
    this.#stream.end();
    throw new Error('the script was cut');
  }

  async read(length: number): Promise<Buffer> {
    for (;;) {
      const bytes = this.#stream.read(length) as Buffer | null;
      if (bytes) return bytes;
      if (this.#stream.readableEnded || this.#stream.destroyed) throw new Error('the client has left');
      await Promise.race([once(this.#stream, 'readable'), once(this.#stream, 'close')]);
    }
  }

  /** Reads bytes that must be these. */
  async reads(...parts: (Buffer | string | number)[]): Promise<void> {
    const wanted = Buffer.concat(
      parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))),
    );
    const read = await this.read(wanted.length);
    if (!read.equals(wanted)) throw new Error(`read ${read.toString('hex')} for ${wanted.toString('hex')}`);
  }

  secure(kind: 'x509' | 'anonymous'): void {
    const context = kind === 'x509' ? certificate() : { ciphers: 'ADH:@SECLEVEL=0', dhparam: 'auto' };
    const secured = new TLSSocket(this.#stream, {
      isServer: true,
      secureContext: createSecureContext({
        ...context,
        ...(kind === 'anonymous' && { maxVersion: 'TLSv1.2' }),
      }),
    });
    secured.on('error', () => undefined);
    onCleanup(() => secured.destroy());
    this.#stream = secured;
  }
}

export type Script = (peer: ScriptedPeer) => Promise<void>;

export interface ScriptedServer {
  readonly port: number;
  readonly peers: ScriptedPeer[];
  /** Failures of the script. */
  readonly failures: unknown[];
}

/** A VNC server that follows a script; `most`: bytes after which the server ends; `isSlow`: one byte at a time. */
export async function startScripted(
  script: Script,
  { most = Infinity, isSlow = false } = {},
): Promise<ScriptedServer> {
  const peers: ScriptedPeer[] = [];
  const failures: unknown[] = [];
  const { server } = await startBackend();
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => undefined);
    onCleanup(() => socket.destroy());
    const peer = new ScriptedPeer(socket, most, isSlow);
    peers.push(peer);
    script(peer).catch((error: unknown) => failures.push(error));
  });
  return { port: (server.address() as { port: number }).port, peers, failures };
}

export const ANNA: BackendLogin = { username: '', password: 'open sesame' };

const never = new AbortController().signal;

/** Connects to a VNC server as a tunnel does, without TLS of its own, and logs in. */
export async function logIn(
  { tls, ...host }: Host,
  login: BackendLogin = ANNA,
  signal: AbortSignal = never,
): Promise<Duplex> {
  const socket = await dial(readHosts(host, 'server')[0]!, never);
  onCleanup(() => socket.destroy());
  return loginToBackend(socket, login, tls === undefined ? undefined : starting(tls), signal);
}

function starting(tls: NonNullable<Host['tls']>): StartTls {
  return (socket, kind) =>
    startTls(socket, {
      ...readHosts({ host: 'localhost', port: 1 }, 'server')[0]!,
      tls: kind === 'x509' ? tls : anonymousTls(tls),
    });
}

/** A number of four bytes. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
