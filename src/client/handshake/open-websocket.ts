import { randomBytes } from 'node:crypto';
import { request as requestHttp, type Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { checkServerIdentity, TLSSocket, type ConnectionOptions, type PeerCertificate } from 'node:tls';
import { following } from '../../helpers/abort.js';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { tame } from '../../streams/tame.js';
import { checkUpgradeResponse } from './upgrade-response.js';
import { directAgent } from './direct-agent.js';
import { ClientError } from '../client-error.js';
import { unreachableProxy } from '../proxy/proxy-failures.js';
import { connectionFailure, refusalByServer } from './server-failures.js';
import type { ConnectSettings } from '../options.js';
import { oneAtATime } from './one-at-a-time.js';

/** The connection after the 101 response. */
export interface OpenedConnection {
  readonly socket: Duplex;
  /** Bytes that arrived together with the 101 response. */
  readonly head: Buffer;
  readonly subprotocol: string | undefined;
}

/**
 * Opens a WebSocket connection (RFC 6455 section 4.1), through the proxy if there is one, within `connectTimeout`. Redirects are
 * not followed. Rejects with {@link ClientError} or the signal's reason, once all sockets are destroyed.
 */
export async function openWebSocket(
  settings: ConnectSettings,
  signal: AbortSignal,
): Promise<OpenedConnection> {
  const { target, connectTimeout } = settings;
  const { controller, free } = following(signal);
  const onTimeout = () =>
    controller.abort(
      new ClientError(
        'WSTUNNEL_CONNECT_TIMEOUT',
        `${target.shown} was not connected within ${connectTimeout} s`,
      ),
    );
  const timer = setTimeout(onTimeout, connectTimeout * 1000);
  try {
    const host = `${target.host}:${target.port}`;
    return await oneAtATime(host, controller.signal, () => handshake(settings, controller.signal));
  } finally {
    clearTimeout(timer);
    free();
  }
}

function handshake(settings: ConnectSettings, signal: AbortSignal): Promise<OpenedConnection> {
  // The signal for the socket to the proxy; once the tunnel is open, independent of the caller's signal.
  const dialling = following(signal);
  const agent = settings.proxy?.agent(dialling.controller.signal);
  return new Promise<OpenedConnection>((resolve, reject) => {
    const key = randomBytes(16).toString('base64');
    const { target, proxy, subprotocols } = settings;
    const request = start(settings, key, agent, dialling.controller.signal);
    // In forward mode, an error before the proxy is connected is the proxy's. With CONNECT, the agent itself reports the proxy's errors.
    let isDialling = proxy?.mode === 'forward';
    let isSettled = false;
    const settle = (act: () => void) => {
      if (isSettled) return;
      isSettled = true;
      signal.removeEventListener('abort', onAbort);
      dialling.free();
      act();
    };
    const drop = () => {
      dialling.controller.abort();
      request.destroy();
    };
    const fail = (error: unknown) =>
      settle(() => {
        drop();
        reject(error);
      });
    const onAbort = () => fail(signal.reason);
    request.on('error', (error) =>
      fail(proxy && isDialling ? unreachableProxy(error, proxy) : connectionFailure(error, target)),
    );
    request.on('proxyConnect', ({ socket }: { socket: Socket }) => {
      // On the connection to an https: proxy, a TLS handshake follows.
      const ready = socket instanceof TLSSocket ? 'secureConnect' : undefined;
      if (ready === undefined) isDialling = false;
      else socket.once(ready, () => (isDialling = false));
    });
    request.on('upgrade', (answer, socket, head) => {
      ignoreErrors(socket);
      try {
        const subprotocol = checkUpgradeResponse(answer, { key, subprotocols });
        if (isSettled) socket.destroy();
        settle(() => resolve({ socket: tame(socket), head, subprotocol }));
      } catch (error) {
        socket.destroy();
        fail(error);
      }
    });
    request.on('response', (answer: IncomingMessage) => {
      if (isSettled) return;
      // From now on the outcome is the refusal, even if the body is lost.
      settle(() => void refusalByServer(answer, target, proxy, signal).then(reject, reject).finally(drop));
    });
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else request.end();
  });
}

function start(
  settings: ConnectSettings,
  key: string,
  agent: Agent | undefined,
  signal: AbortSignal,
): ClientRequest {
  const { target, headers, connectTimeout: timeout } = settings;
  const { host, port, path } = target;
  const tls = target.secure ? tlsOptions(settings) : undefined;
  const common = {
    ...{ host, port, path, method: 'GET' },
    headers: { ...headers, 'sec-websocket-key': key },
    agent: agent ?? directAgent({ host, port, timeout, tls }, signal),
  };
  return tls ? requestHttps({ ...tls, ...common }) : requestHttp(common);
}

function tlsOptions({ target: { host }, tls }: ConnectSettings): ConnectionOptions {
  const name = tls.servername ?? host;
  return {
    ...tls,
    // RFC 6066 section 3 allows no address as a server name.
    servername: isIP(name) === 0 ? name : '',
    // Through a proxy the socket has no host, and Node would check the certificate for "localhost".
    checkServerIdentity: (_: string, certificate: PeerCertificate) =>
      (tls.checkServerIdentity ?? checkServerIdentity)(name, certificate),
  };
}
