import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The first byte of a TLS record with a handshake (RFC 8446 section 5.1). */
const TLS_HANDSHAKE = 22;
/** What a client has to send its first byte, and then its plain request; in ms. */
const DEADLINE = 60_000;

/**
 * Plain http at a port for https: a browser that was given `http://` is sent to `https://`, in place of a connection that ends
 * without a word. Nothing else is answered there.
 */
export class PlainHttp {
  readonly #server: Server = createServer({ maxHeaderSize: 16 * 1024, keepAliveTimeout: 1 }, redirect);

  constructor() {
    this.#server.on('upgrade', (_req, socket) => {
      socket.on('error', () => undefined);
      socket.end(
        'HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
      );
    });
  }

  /** Calls `pass` for a connection that begins with TLS. */
  sort(socket: Socket, pass: () => void): void {
    const stop = () => {
      clearTimeout(deadline);
      socket.off('readable', onReadable).off('error', stop).off('end', fail).off('close', stop);
    };
    const fail = () => {
      stop();
      socket.on('error', () => undefined).destroy();
    };
    const deadline = setTimeout(fail, DEADLINE);
    const onReadable = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      stop();
      socket.unshift(chunk);
      const ignore = () => undefined;
      socket.on('error', ignore);
      // Once the stream has noticed that nobody listens to `readable` any more: until then it does not flow.
      setImmediate(() => {
        socket.off('error', ignore);
        if (socket.destroyed) return;
        if (chunk[0] === TLS_HANDSHAKE) pass();
        else this.#answer(socket);
      });
    };
    socket.on('readable', onReadable).on('error', stop).on('end', fail).on('close', stop);
  }

  /** A server that does not listen has no `headersTimeout`: this is the deadline of the whole exchange. */
  #answer(socket: Socket): void {
    const deadline = setTimeout(() => socket.destroy(), DEADLINE);
    socket.once('close', () => clearTimeout(deadline));
    this.#server.emit('connection', socket);
  }
}

function redirect({ headers, url = '/' }: IncomingMessage, res: ServerResponse): void {
  const { host = '' } = headers;
  const target = `https://${host}${url}`;
  res.setHeader('Connection', 'close');
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  // 307, which no browser remembers: tomorrow there may be plain http at this port.
  if (/^[\w.:[\]-]+$/.test(host) && url.startsWith('/') && URL.canParse(target)) {
    res.writeHead(307, { Location: target }).end('This port speaks https.\n');
  } else res.writeHead(400).end('This port speaks https.\n');
}
