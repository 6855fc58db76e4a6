import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The first byte of a TLS record with a handshake (RFC 8446 section 5.1). */
const TLS_HANDSHAKE = 22;
/** Time limit for the first byte, and again for the plain request; in ms. */
const DEADLINE = 60_000;

/**
 * Redirects plain http on an https port: a browser with an `http://` URL is sent to `https://`, instead of seeing the connection
 * close.
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

  /** Looks at the first byte: calls `pass` for TLS, answers plain http itself. */
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
      // The stream flows again only after a later turn, in which the stream notices that its `readable` listener is gone.
      setImmediate(() => {
        socket.off('error', ignore);
        if (socket.destroyed) return;
        if (chunk[0] === TLS_HANDSHAKE) pass();
        else this.#answer(socket);
      });
    };
    socket.on('readable', onReadable).on('error', stop).on('end', fail).on('close', stop);
  }

  /** One deadline for the whole exchange: on a server that does not listen, `headersTimeout` has no effect. */
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
  // 307, which browsers do not cache: the port may serve plain http tomorrow.
  if (/^[\w.:[\]-]+$/.test(host) && url.startsWith('/') && URL.canParse(target)) {
    res.writeHead(307, { Location: target }).end('This port speaks https.\n');
  } else res.writeHead(400).end('This port speaks https.\n');
}
