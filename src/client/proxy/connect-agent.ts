import { Agent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { isIP, isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { lookupFirst } from '../../backends/race.js';
import { without } from '../../helpers/without.js';
import { notAnHttpProxy, refusalByProxy, unreachableProxy } from './proxy-failures.js';
import type { ProxyAddress } from './proxy-route.js';
import type { TunnelUrl } from '../url/tunnel-url.js';

/** Bytes of the longest header of an answer to CONNECT: Node's default, even if `--max-http-header-size` is larger. */
const MAX_ANSWER = 16_384;

/** The first byte of `HTTP/1.1`. */
const FIRST = 'H'.charCodeAt(0);

type Done = (error: Error | null, socket?: Duplex) => void;

/** An agent for one request: connects through the proxy by CONNECT, and starts TLS if the target is secure. */
export function connectAgent(proxy: ProxyAddress, target: TunnelUrl, signal: AbortSignal): Agent {
  const createConnection = (options: ConnectionOptions, done: Done): undefined => {
    connectThrough(proxy, target, signal).then(
      (socket) => {
        // With a `path`, Node would connect to a unix socket.
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
 * Asks the proxy by CONNECT for a connection to the target (RFC 9110 section 9.3.6). Node's HTTP client reads the answer, with a
 * limit on the size of the header. Rejects with {@link ClientError}. The signal destroys the connection, also after the promise has
 * resolved.
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
      ? requestHttps({ ...proxy.tls, ...serverNameOf(proxy), ...common })
      : requestHttp(common);
    request.on('error', (error) => reject(unreachableProxy(error, proxy)));
    request.on('socket', (socket) => {
      socket.prependOnceListener('data', (first: Buffer) => {
        // Node would skip blank lines and wait for an answer after those.
        if (first[0] === FIRST) return;
        reject(notAnHttpProxy(proxy));
        request.destroy();
      });
    });
    request.on('connect', (answer: IncomingMessage, socket: Socket, head: Buffer) => {
      ignoreErrors(socket);
      if (answer.statusCode !== 200) {
        // Otherwise the caller would read the refusal's body as the server's answer.
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

/** Node would use the Host header, which names the target. RFC 6066 section 3 allows no address as a server name. */
function serverNameOf({ tls, host }: ProxyAddress): { servername: string } {
  return { servername: tls.servername ?? (isIP(host) === 0 ? host : '') };
}
