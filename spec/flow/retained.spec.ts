import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { connectHttp2, openOverHttp2 } from '../support/http2.js';
import { frame, requestTunnel, type RawClient } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

type Kind = 'http' | 'session' | 'checked' | 'https' | 'http2' | 'sockets';

interface Retained {
  readonly open: number;
  /** Bytes of the heap and of buffers. */
  readonly bytes: number;
  readonly objects: Readonly<Record<string, { readonly seen: number; readonly reachable: number }>>;
}

/** A server of this kind in a separate process. `retained` collects the garbage first. */
async function startServer(kind: Kind) {
  const { port: backend } = await startEcho();
  const { key, cert } = certificate();
  const settings = JSON.stringify({ kind, backend, key: key.toString(), cert: cert.toString() });
  const script = fileURLToPath(new URL('retained-server.mjs', import.meta.url));
  const child = fork(script, [settings], { execArgv: ['--expose-gc'] });
  onCleanup(async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const answer = async <T>() => ((await once(child, 'message')) as [T])[0];
  const { port } = await answer<{ port: number }>();
  return {
    port,
    retained: () => {
      child.send('');
      return answer<Retained>();
    },
  };
}

/** Opens tunnels of which each has passed bytes in both directions. */
async function openTunnels(kind: Kind, port: number, count: number): Promise<void> {
  const open = async () => {
    const client = await openTunnel(kind, port);
    client.send(frame(2, 'x'));
    await client.payload(1);
  };
  for (let left = count; left > 0; left -= 20)
    await Promise.all(Array.from({ length: Math.min(left, 20) }, open));
}

const headers = { Cookie: 'preference=dark', 'X-Request-Id': 'of the test' };

/** Tunnels with the same URL and headers would share one check. */
let opened = 0;

async function openTunnel(kind: Kind, port: number): Promise<RawClient> {
  if (kind === 'http2') return openOverHttp2(await connectHttp2(port), '/tunnel?token=secret', headers);
  const target = kind === 'https' ? connectTls({ port, host: '127.0.0.1', ca: certificate().cert }) : port;
  const client = requestTunnel(target, `/tunnel?token=secret&number=${opened++}`, headers);
  expect((await client.answer()).status).toBe(101);
  return client;
}

describe('an open tunnel', () => {
  test.each(['http', 'session', 'https', 'http2'] as const)(
    'keeps nothing of the request, its headers, its session and the response: %s',
    async (kind) => {
      const { port, retained } = await startServer(kind);
      await openTunnels(kind, port, 60);
      const { open, objects } = await retained();
      expect(open).toBe(60);
      const names = kind === 'http' ? ['req', 'res', 'headers', 'rawHeaders'] : Object.keys(objects);
      for (const name of names) {
        expect(objects[name], name).toMatchObject({ seen: 60 });
        // Node and Express may keep the latest request in a cache.
        expect(objects[name]?.reachable, name).toBeLessThanOrEqual(2);
      }
    },
  );

  test('keeps nothing of the checks of its login', async () => {
    const { port, retained } = await startServer('checked');
    await openTunnels('checked', port, 60);
    await until(async () => ((await retained()).objects.req?.seen ?? 0) > 300);
    const { open, objects } = await retained();
    expect(open).toBe(60);
    // A check may be under way.
    for (const [name, { reachable }] of Object.entries(objects))
      expect(reachable, name).toBeLessThanOrEqual(6);
  });

  test('costs less than twice the heap of a plain pair of sockets', async () => {
    const [tunnels, sockets] = [await startServer('http'), await startServer('sockets')];
    const count = 300;
    const pair = async () => {
      const socket = connectSocket(sockets.port, '127.0.0.1');
      onCleanup(() => socket.destroy());
      socket.write('x');
      await once(socket, 'data');
    };
    await openTunnels('http', tunnels.port, 100);
    await Promise.all(Array.from({ length: 100 }, pair));
    const [tunnelsBefore, socketsBefore] = [await tunnels.retained(), await sockets.retained()];
    await openTunnels('http', tunnels.port, count);
    await Promise.all(Array.from({ length: count }, pair));
    await until(async () => (await tunnels.retained()).open === 100 + count);
    const ofTunnel = ((await tunnels.retained()).bytes - tunnelsBefore.bytes) / count;
    const ofPair = ((await sockets.retained()).bytes - socketsBefore.bytes) / count;
    expect(ofPair).toBeGreaterThan(500);
    expect(ofTunnel / ofPair).toBeLessThan(2);
  });
});
