import { randomBytes } from 'node:crypto';
import { request as requestHttp, type Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { checkServerIdentity, TLSSocket, type ConnectionOptions, type PeerCertificate } from 'node:tls';
import { following } from '../../helpers/abort.js';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { checkUpgradeResponse } from './upgrade-response.js';
import { directAgent } from './direct-agent.js';
import { ClientError } from '../client-error.js';
import { connectionFailure, refusalByServer, unreachableProxy } from './server-failures.js';
import type { ConnectSettings } from '../options.js';
import { oneAtATime } from './one-at-a-time.js';

/** The socket behind the 101. */
export interface OpenedConnection {
  readonly socket: Duplex;
  /** What came with the 101. */
  readonly head: Buffer;
  readonly subprotocol: string | undefined;
}

/**
 * Opens a WebSocket connection (RFC 6455 section 4.1), through the proxy if there is one, within `connectTimeout`.
 * Redirects are not followed. Rejects with {@link ClientError} or the signal's reason, and leaves nothing behind.
 */
export async function openTunnel(settings: ConnectSettings, signal: AbortSignal): Promise<OpenedConnection> {
  const { target, connectTimeout } = settings;
  const { controller, free } = following(signal);
  const late = () =>
    controller.abort(
      new ClientError('WSTUNNEL_CONNECT_TIMEOUT', `${target.shown}: no tunnel within ${connectTimeout} s`),
    );
  const timer = setTimeout(late, connectTimeout * 1000);
  try {
    const host = `${target.host}:${target.port}`;
    return await oneAtATime(host, controller.signal, () => handshake(settings, controller.signal));
  } finally {
    clearTimeout(timer);
    free();
  }
}

function handshake(settings: ConnectSettings, signal: AbortSignal): Promise<OpenedConnection> {
  // The proxy's socket follows this one, which is dropped once the tunnel is open.
  const dialling = following(signal);
  const agent = settings.proxy?.agent(dialling.controller.signal);
  return new Promise<OpenedConnection>((resolve, reject) => {
    const key = randomBytes(16).toString('base64');
    const { target, proxy, subprotocols } = settings;
    const request = start(settings, key, agent, dialling.controller.signal);
    // In forward mode it is the proxy that fails, until it is connected; of CONNECT the agent names the failures itself.
    let isDialling = proxy?.mode === 'forward';
    let settled = false;
    const settle = (act: () => void) => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', onAbort);
      dialling.free();
      act();
    };
    const drop = () => {
      dialling.controller.abort();
      request.destroy();
    };
    const refuse = (error: unknown) =>
      settle(() => {
        drop();
        reject(error);
      });
    const onAbort = () => refuse(signal.reason);
    request.on('error', (error) =>
      refuse(proxy && isDialling ? unreachableProxy(error, proxy) : connectionFailure(error, settings)),
    );
    request.on('proxyConnect', ({ socket }: { socket: Socket }) => {
      // TLS with the proxy is still to come.
      const ready = socket instanceof TLSSocket ? 'secureConnect' : undefined;
      if (ready === undefined) isDialling = false;
      else socket.once(ready, () => (isDialling = false));
    });
    request.on('upgrade', (answer, socket, head) => {
      ignoreErrors(socket);
      try {
        const subprotocol = checkUpgradeResponse(answer, { key, subprotocols });
        if (settled) socket.destroy();
        settle(() => resolve({ socket, head, subprotocol }));
      } catch (error) {
        socket.destroy();
        refuse(error);
      }
    });
    request.on('response', (answer: IncomingMessage) => {
      if (settled) return;
      // From here on it is a refusal, whatever becomes of its body.
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
    // An address is no server name (RFC 6066 section 3).
    servername: isIP(name) === 0 ? name : '',
    // Behind a proxy the socket knows no host, and Node would take "localhost" for it.
    checkServerIdentity: (_: string, certificate: PeerCertificate) =>
      (tls.checkServerIdentity ?? checkServerIdentity)(name, certificate),
  };
}
