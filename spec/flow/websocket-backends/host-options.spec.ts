import { once } from 'node:events';
import type { LookupFunction } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Host, TunnelInfo, TunnelOptions } from '../../../src/index.js';
import { certificate } from '../../support/certificate.js';
import { describeWith } from '../../support/programs.js';
import { frame, openRaw, requestTunnel, statusOf, type RawClient } from '../../support/raw-client.js';
import { backendEvents, closedPort, startBackend, startTunnel } from '../../support/servers.js';
import { until } from '../../support/wait.js';
import { accepting, plain, startByHand } from '../../support/websocket-server.js';

/** A backend that accepts the handshake and returns each frame. */
function startFrames(tls?: ReturnType<typeof certificate>) {
  const serve = async (peer: RawClient, head: string) => {
    peer.send(accepting(head));
    for (let next = await peer.frame(); next; next = await peer.frame())
      peer.send(plain(next.opcode, next.payload));
  };
  return startByHand(serve, tls && { tls });
}

async function returnsText(port: number): Promise<void> {
  const client = await openRaw(port);
  client.send(frame(1, 'text'));
  expect(await client.frame()).toMatchObject({ opcode: 1, payload: Buffer.from('text') });
}

describe('the options of every host', () => {
  test('proxyProtocol: the header comes before the request', async () => {
    const backend = await startBackend();
    const url = `ws://127.0.0.1:${backend.port}/x`;
    const { port } = await startTunnel({ server: { url, proxyProtocol: 1 } });
    requestTunnel(port);
    await until(() => backend.received().includes('\r\n\r\n'));
    expect(backend.received().toString()).toMatch(
      /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\nGET \/x HTTP\/1\.1\r\n/,
    );
  });

  test('localAddress and lookup: how the host of the URL is reached', async () => {
    const backend = await startFrames();
    const names: string[] = [];
    const lookup: LookupFunction = (name, _, done) => {
      names.push(name);
      done(null, [{ address: '127.0.0.1', family: 4 }]);
    };
    const url = `ws://desk.test:${backend.port}/x`;
    const { port } = await startTunnel({ server: { url, lookup, localAddress: '127.0.0.3' } });
    await returnsText(port);
    expect(names).toEqual(['desk.test']);
    expect(backend.sockets[0]?.remoteAddress).toBe('127.0.0.3');
  });

  test('the id is the same in stats and events, without the values of the query', async () => {
    const backend = await startFrames();
    const { port, tunnel } = await startTunnel({ server: { url: `${backend.url}?ticket=secret` } });
    const opened = once(tunnel, 'open') as Promise<[TunnelInfo]>;
    await returnsText(port);
    const { backend: id } = (await opened)[0];
    const [state] = tunnel.stats().backends;
    expect(id).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/x$/);
    expect(state).toMatchObject({ id, load: 1, host: { url: `${backend.url}?ticket=***`, mode: 'frames' } });
  });

  test('an outage is announced', async () => {
    const closed = await closedPort();
    const url = `ws://127.0.0.1:${closed}/`;
    const { port, tunnel } = await startTunnel({ server: { url, disableTime: 0 } });
    const events = backendEvents(tunnel);
    expect(await statusOf(port)).toBe(502);
    expect(events).toMatchObject([
      { id: url, up: false, reason: expect.stringContaining('ECONNREFUSED') as string },
    ]);
  });

  test('a refusal of the backend ends an outage, since the backend is up', async () => {
    let answer = 'HTTP/1.1 503 Full\r\n\r\n';
    const backend = await startByHand((peer) => peer.send(answer));
    const { port, tunnel } = await startTunnel({ server: { url: backend.url, disableTime: 0 } });
    const events = backendEvents(tunnel);
    expect(await statusOf(port)).toBe(502);
    answer = 'HTTP/1.1 403 No\r\n\r\n';
    expect(await statusOf(port)).toBe(403);
    expect(events).toMatchObject([{ up: false, reason: 'the backend answered 503 Full' }, { up: true }]);
  });

  test('connections that are reset without an answer are an outage at the third in a row', async () => {
    const backend = await startByHand((peer) => peer.socket.resetAndDestroy());
    const { port, tunnel } = await startTunnel({ server: { url: backend.url, disableTime: 60 } });
    expect(await statusOf(port)).toBe(502);
    expect(backend.sockets.length).toBe(3);
    expect(tunnel.stats().backends[0]?.up).toBe(false);
  });
});

describe('a refusal of the backend', () => {
  const startRefusing = async (options: Partial<TunnelOptions>, host: Host = {}) => {
    const backend = await startByHand((peer) => peer.send('HTTP/1.1 403 Not You\r\n\r\n'));
    return startTunnel({ server: { url: backend.url, ...host }, ...options });
  };

  test("is a Close with 4000 + status under refuseWith: 'close'", async () => {
    const { port } = await startRefusing({ refuseWith: 'close' });
    expect(await (await openRaw(port)).close()).toEqual({
      code: 4403,
      reason: 'the backend answered 403 Not You',
    });
  });

  test('reaches onRefuse', async () => {
    const { port } = await startRefusing({
      onRefuse: (error, _, res) => void res.writeHead(418, { 'X-Code': error.code }).end(),
    });
    const { status, headers } = await requestTunnel(port).answer();
    expect([status, headers['x-code']]).toEqual([418, 'WSTUNNEL_BACKEND_ANSWERED']);
  });
});

describeWith('openssl')('a wss: URL', () => {
  test('checks the certificate for the host of the URL, and names the host by SNI', async () => {
    const tls = certificate();
    const backend = await startFrames(tls);
    const lookup: LookupFunction = (_, __, done) => done(null, [{ address: '127.0.0.1', family: 4 }]);
    const start = async (name: string, options: object) =>
      (
        await startTunnel({
          server: { url: `wss://${name}:${backend.port}/x`, lookup, tls: options, disableTime: 0 },
        })
      ).port;
    await returnsText(await start('localhost', { ca: tls.cert }));
    expect(await statusOf(await start('desk.test', { ca: tls.cert }))).toBe(502);
    expect(await statusOf(await start('localhost', {}))).toBe(502);
    await returnsText(await start('desk.test', { rejectUnauthorized: false }));
    const [socket] = backend.sockets.slice(-1);
    expect((socket as unknown as { servername: string }).servername).toBe('desk.test');
  });
});
