import { once } from 'node:events';
import { expect } from 'vitest';
import { WebSocketServer, WebSocket, type ClientOptions, type ServerOptions } from 'ws';
import type { ClosedInfo, Host, Tunnel, TunnelOptions } from '../../src/index.js';
import { onCleanup } from './cleanup.js';
import { descriptors, watchTimers } from './leftovers.js';
import { openRaw, type RawClient, type RawHeaders } from './raw-client.js';
import { startTunnel } from './servers.js';
import { deferred, until } from './wait.js';
import { accepting, startByHand } from './websocket-server.js';

/** A tunnel between a client and a backend that both send frames by hand. */
export interface FrameTunnel {
  readonly tunnel: Tunnel;
  readonly port: number;
  readonly client: RawClient;
  readonly backend: RawClient;
  /** Waits for the end of the tunnel: one event, no load, no timer and no descriptor is left. */
  readonly over: () => Promise<ClosedInfo>;
}

interface FrameOptions {
  readonly options?: Partial<TunnelOptions>;
  readonly host?: Host;
  readonly headers?: RawHeaders;
  /** Headers of the backend's 101. */
  readonly answer?: Record<string, string>;
}

export async function openFrames({
  options,
  host,
  headers,
  answer,
}: FrameOptions = {}): Promise<FrameTunnel> {
  const opened = deferred<RawClient>();
  const server = await startByHand((peer, asked) => {
    peer.send(accepting(asked, answer));
    opened.resolve(peer);
  });
  const { tunnel, port } = await startTunnel({
    server: { url: server.url, ...host },
    closeTimeout: 60,
    pingInterval: 0,
    ...options,
  });
  const before = descriptors();
  const timers = watchTimers();
  const ends: ClosedInfo[] = [];
  tunnel.on('close', (info) => ends.push(info));
  const client = await openRaw(port, '/tunnel', headers);
  const backend = await opened.promise;
  const over = async () => {
    await until(() => ends.length > 0);
    client.socket.destroy();
    backend.socket.destroy();
    await until(() => descriptors() <= before && timers() === 0);
    expect(ends).toHaveLength(1);
    expect(tunnel.stats()).toMatchObject({ open: 0, opened: 1, backends: [{ load: 0 }] });
    return ends[0]!;
  };
  return { tunnel, port, client, backend, over };
}

/** A tunnel between a client and a server of `ws`. */
export async function startWs(
  serve: (socket: WebSocket) => void,
  { server, options, host }: { server?: ServerOptions; options?: Partial<TunnelOptions>; host?: Host } = {},
) {
  const backend = new WebSocketServer({ port: 0, host: '127.0.0.1', ...server });
  backend.on('connection', serve);
  await once(backend, 'listening');
  onCleanup(() => {
    for (const socket of backend.clients) socket.terminate();
    backend.close();
  });
  const { port: backendPort } = backend.address() as { port: number };
  const site = await startTunnel({
    server: { url: `ws://127.0.0.1:${backendPort}/`, ...host },
    closeTimeout: 60,
    ...options,
  });
  const open = async (subprotocols: string[] = [], client: ClientOptions = {}) => {
    const socket = new WebSocket(site.url, subprotocols, client);
    onCleanup(() => socket.terminate());
    await once(socket, 'open');
    return socket;
  };
  return { ...site, backend, open };
}

/** The end of a socket of `ws`. */
export async function closeOf(socket: WebSocket): Promise<[code: number, reason: string]> {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return [code, reason.toString()];
}
