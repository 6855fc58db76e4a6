import type { Server, Socket } from 'node:net';
import { expect } from 'vitest';
import type { ClosedInfo, RefuseInfo, Tunnel, TunnelOptions } from '../../src/index.js';
import { onCleanup } from './cleanup.js';
import { closeFrame, frame, handshake, RawClient } from './raw-client.js';
import { startApp, startBackend, makeTunnel, type Backend } from './servers.js';
import { deferred, until } from './wait.js';

export type Phase = 'guard' | 'dialling' | 'open' | 'up' | 'down' | 'we closed' | 'client closed';

/** A connection that has been brought into a phase, with everything in the test's hands. */
export interface Scene {
  readonly tunnel: Tunnel;
  readonly client: RawClient;
  /** The backend's socket; none before the tunnel is open. */
  readonly backend: Socket | undefined;
  /** What the client has sent, and must arrive where the row says so. */
  readonly sent: Buffer;
  /** What the backend has sent, likewise. */
  readonly served: Buffer;
  readonly received: () => Buffer;
  /** Lets the hook or the dial that is held go on. */
  release(): void;
  /** Waits for the end and checks that nothing is left. */
  over(): Promise<ClosedInfo | RefuseInfo>;
}

const MUCH = Buffer.alloc(16_000_000, 'no two words of it are the same ');

const connections = (server: Server) =>
  new Promise<number>((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );

/** Brings one connection into a phase. Deadlines are long unless the row shortens one. */
export async function arrange(
  phase: Phase,
  options: Partial<TunnelOptions> & { host?: object },
): Promise<Scene> {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown) => rejections.push(reason);
  process.on('unhandledRejection', onRejection);
  onCleanup(() => process.off('unhandledRejection', onRejection));

  const backend = await startBackend(phase === 'up' ? (socket) => socket.pause() : undefined);
  const { promise: held, resolve: release } = deferred();
  const { host, ...rest } = options;
  const lookup = (_name: string, _options: object, done: (error: null, found: object[]) => void) =>
    void held.then(() => done(null, [{ address: '127.0.0.1', family: 4 }]));
  const server = { port: backend.port, ...(phase === 'dialling' && { host: 'held.test', lookup }), ...host };
  let asked = 0;
  const authenticate = async () => {
    asked++;
    if (phase === 'guard') await held;
    return true;
  };
  const tunnel = makeTunnel({
    server: server as NonNullable<TunnelOptions['server']>,
    authenticate,
    closeTimeout: 60,
    limits: { buffered: 65_536 },
    ...rest,
  });
  const ends: (ClosedInfo | RefuseInfo)[] = [];
  tunnel.on('close', (info) => ends.push(info));
  tunnel.on('refuse', (info) => ends.push(info));
  const site = await startApp((app) => app.use('/tunnel', tunnel));
  const client = new RawClient(site.port).send(handshake('/tunnel'));
  const over = async () => {
    await until(() => ends.length > 0);
    release();
    client.socket.destroy();
    for (const socket of backend.sockets) socket.destroy();
    await until(
      async () => (await connections(site.server)) === 0 && (await connections(backend.server)) === 0,
    );
    expect(ends).toHaveLength(1);
    const { open: left, backends } = tunnel.stats();
    expect({ left, loads: backends.filter(({ load }) => load !== 0) }).toEqual({ left: 0, loads: [] });
    expect(rejections).toEqual([]);
    return ends[0]!;
  };
  const scene = { tunnel, client, release, over, received: () => backend.received() };
  const empty = Buffer.alloc(0);
  if (phase === 'guard' || phase === 'dialling') {
    await until(() => asked === 1 && (phase === 'guard' || tunnel.stats().backends[0]?.load === 1));
    return { ...scene, backend: undefined, sent: empty, served: empty };
  }
  const own = await open(client, backend);
  return { ...scene, backend: own, ...(await busy(phase, client, own, tunnel)) };
}

async function open(client: RawClient, backend: Backend): Promise<Socket> {
  const { status } = await client.answer();
  expect(status).toBe(101);
  await until(() => backend.sockets.size === 1);
  return [...backend.sockets][0]!;
}

async function busy(
  phase: Phase,
  client: RawClient,
  backend: Socket,
  tunnel: Tunnel,
): Promise<{ sent: Buffer; served: Buffer }> {
  const empty = Buffer.alloc(0);
  const stats = () => tunnel.stats();
  if (phase === 'up') {
    client.send(frame(2, MUCH));
    await until(() => stats().bytesIn > 0);
    return { sent: MUCH, served: empty };
  }
  if (phase === 'down') {
    client.socket.pause();
    backend.write(MUCH);
    await until(() => stats().bytesOut > 0);
    return { sent: empty, served: MUCH };
  }
  if (phase === 'we closed') {
    backend.end();
    expect(await client.close()).toMatchObject({ code: 1000 });
  }
  if (phase === 'client closed') {
    client.send(closeFrame(1000));
    expect(await client.close()).toMatchObject({ code: 1000 });
  }
  return { sent: empty, served: empty };
}
