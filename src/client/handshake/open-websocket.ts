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
 * Opens a WebSocket connection (RFC 6455 section 4.1), through the proxy if there is one, within `connectTimeout`. Redirects are not
 * followed. Rejects with {@link ClientError} or the signal's reason, after it has destroyed its sockets.
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
  // The signal for the socket to the proxy. It no longer follows the caller's signal once the tunnel is open.
  const dialling = following(signal);
  const agent = settings.proxy?.agent(dialling.controller.signal);
  return new Promise<OpenedConnection>((resolve, reject) => {
    const key = randomBytes(16).toString('base64');
    const { target, proxy, subprotocols } = settings;
    const request = start(settings, key, agent, dialling.controller.signal);
    // In forward mode, errors before the connection to the proxy is open are the proxy's. With CONNECT, the agent reports them.
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
      // With an https: proxy, TLS follows.
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
      // From here on the outcome is this refusal, even if its body is lost.
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
    // An address must not be sent as a server name (RFC 6066 section 3).
    servername: isIP(name) === 0 ? name : '',
    // Through a proxy the socket has no host, and Node would check the certificate for "localhost".
    checkServerIdentity: (_: string, certificate: PeerCertificate) =>
      (tls.checkServerIdentity ?? checkServerIdentity)(name, certificate),
  };
}
