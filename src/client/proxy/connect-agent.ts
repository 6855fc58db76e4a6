import { Agent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { isIP, isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { lookupFirst } from '../../backends/race.js';
import { without } from '../../helpers/without.js';
import { notAnHttpProxy, refusalByProxy, unreachableProxy } from '../handshake/server-failures.js';
import type { ProxyAddress } from './read-proxy.js';
import type { TunnelUrl } from '../url/tunnel-url.js';

/** The longest header of an answer to CONNECT, in bytes: Node's own limit, which `--max-http-header-size` may have raised. */
const MAX_ANSWER = 16_384;

/** Of `HTTP/1.1`. */
const FIRST = 'H'.charCodeAt(0);

type Done = (error: Error | null, socket?: Duplex) => void;

/** Makes the connection of one request through the proxy, by CONNECT, and TLS with the target on it. */
export function connectAgent(proxy: ProxyAddress, target: TunnelUrl, signal: AbortSignal): Agent {
  const createConnection = (options: ConnectionOptions, done: Done): undefined => {
    connectThrough(proxy, target, signal).then(
      (socket) => {
        // With a path Node would make it a unix socket.
        const own = without(options, 'host', 'port', 'path');
        done(null, target.secure ? connectTls({ ALPNProtocols: ['http/1.1'], ...own, socket }) : socket);
      },
      (error: unknown) => done(error as Error),
    );
    return undefined;
  };
  return Object.assign(target.secure ? new HttpsAgent() : new Agent(), { createConnection });
}

/**
 * A connection to the target that the proxy makes at our CONNECT (RFC 9110 section 9.3.6). Node's HTTP client reads the
 * answer: it limits the header, which may otherwise grow without end. Rejects with {@link ClientError}; the signal destroys
 * the connection, also afterwards.
 */
function connectThrough(proxy: ProxyAddress, target: TunnelUrl, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { host, port, timeout } = proxy;
    const authority = `${isIPv6(target.host) ? `[${target.host}]` : target.host}:${target.port}`;
    const common = {
      ...{ host, port, method: 'CONNECT', path: authority, agent: false as const },
      headers: { Host: authority, 'Proxy-Connection': 'close', ...proxy.headers },
      maxHeaderSize: MAX_ANSWER,
      lookup: lookupFirst(timeout, signal, port),
      signal,
    };
    const request = proxy.secure
      ? requestHttps({ ...proxy.tls, ...nameOf(proxy), ...common })
      : requestHttp(common);
    request.on('error', (error) => reject(unreachableProxy(error, proxy)));
    request.on('socket', (socket) => {
      socket.prependOnceListener('data', (first: Buffer) => {
        // Node would skip blank lines, and wait for the answer after them.
        if (first[0] === FIRST) return;
        reject(notAnHttpProxy(proxy));
        request.destroy();
      });
    });
    request.on('connect', (answer: IncomingMessage, socket: Socket, head: Buffer) => {
      ignoreErrors(socket);
      if (answer.statusCode !== 200) {
        // Its body would be taken for the server's answer.
        socket.destroy();
        reject(refusalByProxy(answer, proxy));
        return;
      }
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    request.end();
  });
}

/** Node would take the name of the Host header, which is the target's. An address is no server name (RFC 6066 section 3). */
function nameOf({ tls, host }: ProxyAddress): { servername: string } {
  return { servername: tls.servername ?? (isIP(host) === 0 ? host : '') };
}
