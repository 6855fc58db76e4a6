import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { challengeResponse } from '../../src/vnc/challenge-response.js';
import { certificate } from './certificate.js';
import { startBackend } from './servers.js';

export const PASSWORD = 'geheim';
export const DESK = 'desk';

/** ServerInit of a desktop of 8 x 8 pixels (RFC 6143 section 7.3.2). */
export const SERVER_INIT = Buffer.concat([
  Buffer.from('0008000820180001 00ff00ff00ff 100800 000000 00000004'.replaceAll(' ', ''), 'hex'),
  Buffer.from(DESK),
]);

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** One connection to the scripted server. */
interface VncConnection {
  readonly socket: Duplex;
  /** The shared flag of ClientInit. */
  readonly shared: number;
  /** All bytes after ClientInit. */
  messages: Buffer;
}

export interface VncScript {
  /** `vnc`, the default: VNC authentication. `vencrypt`: VeNCrypt with the subtype X509Plain. A number: this type alone. */
  readonly security?: 'vnc' | 'vencrypt' | 'none' | number;
  /** Only for VeNCrypt. */
  readonly username?: string;
}

/** A scripted VNC server, by RFC 6143. */
export class VncServer {
  readonly connections: VncConnection[] = [];
  /** Connections that got as far as a security type. */
  attempts = 0;

  constructor(readonly script: VncScript = {}) {}

  get last(): VncConnection {
    const last = this.connections.at(-1);
    if (!last) throw new Error('no client has logged in');
    return last;
  }

  /** Serves one connection; ends it after a fault of the client. */
  readonly serve = (socket: Duplex): void => {
    socket.on('error', () => undefined);
    this.#talk(socket).catch(() => socket.destroy());
  };

  async #talk(plain: Duplex): Promise<void> {
    const { security = 'vnc', username = 'ann' } = this.script;
    let reader = new Reader(plain);
    let socket: Duplex = plain;
    socket.write('RFB 003.008\n');
    await reader.take(12);
    this.attempts++;
    const type = security === 'vnc' ? 2 : security === 'none' ? 1 : security === 'vencrypt' ? 19 : security;
    socket.write(Buffer.from([1, type]));
    await reader.take(1);
    if (security === 'vnc') {
      const challenge = Buffer.alloc(16, 7);
      socket.write(challenge);
      const response = await reader.take(16);
      if (!response.equals(challengeResponse(PASSWORD, challenge))) {
        const reason = Buffer.from('wrong password');
        socket.end(Buffer.concat([u32(1), u32(reason.length), reason]));
        return;
      }
    } else if (security === 'vencrypt') {
      socket.write(Buffer.from([0, 2]));
      await reader.take(2);
      socket.write(Buffer.concat([Buffer.from([0, 1]), u32(262)]));
      await reader.take(4);
      socket.write(Buffer.from([1]));
      reader.stop();
      socket = new TLSSocket(plain, { isServer: true, ...certificate() });
      socket.on('error', () => undefined);
      reader = new Reader(socket);
      const [name, password] = [(await reader.take(4)).readUInt32BE(), (await reader.take(4)).readUInt32BE()];
      const login = (await reader.take(name + password)).toString();
      if (login !== `${username}${PASSWORD}`) {
        socket.end(Buffer.concat([u32(1), u32(5), Buffer.from('wrong')]));
        return;
      }
    }
    socket.write(u32(0));
    const connection = { socket, shared: (await reader.take(1))[0] ?? 0, messages: Buffer.alloc(0) };
    this.connections.push(connection);
    socket.write(SERVER_INIT);
    for (;;) connection.messages = Buffer.concat([connection.messages, await reader.take(1)]);
  }
}

/** The scripted server on a port of loopback. */
export async function startVncServer(script: VncScript = {}): Promise<VncServer & { port: number }> {
  const server = new VncServer(script);
  const { port } = await startBackend(server.serve);
  return Object.assign(server, { port });
}

class Reader {
  readonly #socket: Duplex;
  #bytes = Buffer.alloc(0);
  #hasEnded = false;
  #wake: () => void = () => undefined;

  constructor(socket: Duplex) {
    this.#socket = socket;
    socket.on('data', this.#onData);
    for (const event of ['end', 'close']) socket.on(event, this.#onEnd);
  }

  stop(): void {
    this.#socket.off('data', this.#onData);
  }

  async take(length: number): Promise<Buffer> {
    while (this.#bytes.length < length) {
      if (this.#hasEnded) throw new Error('the client has ended');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return Buffer.from(taken);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#wake();
  };
}
