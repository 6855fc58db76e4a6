import { Agent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { connect as connectTcp, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { connectToFirst } from '../../backends/race.js';

/** A server to connect to. */
interface DirectConnection {
  readonly host: string;
  readonly port: number;
  /** Seconds, shared by all addresses of the name. */
  readonly timeout: number;
  /** For `wss:`. */
  readonly tls: ConnectionOptions | undefined;
}

type Done = (error: Error | null, socket?: Duplex) => void;

/**
 * An agent that connects one request without a proxy. For a name with several addresses, the first address that accepts wins; Node's
 * own choice would give up each address after 250 ms.
 */
export function directAgent({ host, port, timeout, tls }: DirectConnection, signal: AbortSignal): Agent {
  const to = (address: string) => ignoreErrors(connectTcp({ host: address, port }));
  const secure = (socket: Duplex) =>
    tls ? connectTls({ ALPNProtocols: ['http/1.1'], ...tls, host, socket }) : socket;
  const createConnection = (_options: unknown, done: Done): Duplex | undefined => {
    if (tls?.socket) return secure(tls.socket);
    if (isIP(host) !== 0) return secure(to(host));
    connectToFirst({ host, timeout, lookup: tls?.lookup }, signal, to).then(
      (socket) => done(null, secure(socket)),
      (error: unknown) => done(error as Error),
    );
    return undefined;
  };
  return Object.assign(tls ? new HttpsAgent() : new Agent(), { createConnection });
}
