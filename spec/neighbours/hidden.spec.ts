import { createServer, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import express from 'express';
import { describe, expect, test } from 'vitest';
import type { Tunnel } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { echoes, frame, handshake, openRaw, RawClient, requestTunnel } from '../support/raw-client.js';
import { listen, makeTunnel, portOf, startEcho } from '../support/servers.js';
import { sleep } from '../support/wait.js';

/** Collects the codes of the process's warnings. */
function warnings(): string[] {
  const codes: string[] = [];
  const note = (warning: Error & { code?: string }) => codes.push(warning.code ?? warning.name);
  process.on('warning', note);
  onCleanup(() => process.off('warning', note));
  return codes;
}

/** Wraps a middleware as a tracing tool does: only the name is kept. */
function wrapped(tunnel: Tunnel): express.RequestHandler {
  const wrapper: express.RequestHandler = (req, res, next) => tunnel(req, res, next);
  return Object.defineProperty(wrapper, 'name', { value: tunnel.name });
}

function greedy(server: Server): void {
  server.on('upgrade', (_req, socket: Duplex) => {
    socket.on('error', () => undefined);
    socket.end('HTTP/1.1 400 Neighbour\r\n\r\n');
  });
}

async function serve(app: express.Express, isBeside: boolean): Promise<{ server: Server; port: number }> {
  const server = createServer(app);
  if (isBeside) greedy(server);
  await listen(server);
  return { server, port: portOf(server) };
}

const lineOf = async (port: number, path: string) =>
  (await requestTunnel(port, path).answer()).header.split('\r\n')[0];

describe('issue 12, case 27: a tunnel hidden in a function', () => {
  test.each([false, true])(
    'that keeps its name opens at the first upgrade (beside another listener: %s)',
    async (isBeside) => {
      const { port: backend } = await startEcho();
      const app = express().use('/tunnel', wrapped(makeTunnel({ server: { port: backend } })));
      const { port } = await serve(app, isBeside);
      await echoes(await openRaw(port));
    },
  );

  test('beside another listener warns once at the first missed upgrade', async () => {
    const codes = warnings();
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const app = express().use('/tunnel', (req, res, next) => tunnel(req, res, next));
    const { server, port } = await serve(app, true);
    expect(await lineOf(port, '/tunnel')).toBe('HTTP/1.1 400 Neighbour');
    expect(await lineOf(port, '/tunnel')).toBe('HTTP/1.1 400 Neighbour');
    await new Promise((resolve) => setImmediate(resolve));
    expect(codes).toEqual(['WSTUNNEL_HIDDEN']);
    // The warning recommends attach().
    tunnel.attach(server, { path: '/tunnel' });
    await echoes(await openRaw(port));
  });

  test('does not warn if the tunnel is visible on another server', async () => {
    const codes = warnings();
    await serve(express().use('/tunnel', makeTunnel({ server: { port: 1 } })), false);
    const { port } = await serve(express(), true);
    expect(await lineOf(port, '/tunnel')).toBe('HTTP/1.1 400 Neighbour');
    await new Promise((resolve) => setImmediate(resolve));
    expect(codes).toEqual([]);
  });

  test('does not warn at a path that the tunnel does not match', async () => {
    const codes = warnings();
    makeTunnel({ url: /^\/websockify/, server: { port: 1 } });
    const { port } = await serve(express(), true);
    await lineOf(port, '/chat');
    await new Promise((resolve) => setImmediate(resolve));
    expect(codes).toEqual([]);
    await lineOf(port, '/vnc/websockify');
    await new Promise((resolve) => setImmediate(resolve));
    expect(codes).toEqual(['WSTUNNEL_HIDDEN']);
  });
});

describe('issue 12, case 30: an app that rewrites the URL before the tunnel', () => {
  function rewriting(tunnel: Tunnel): express.Express {
    return express()
      .use((req, _res, next) => {
        req.url = req.url.replace(/^\/v1/, '');
        next();
      })
      .use('/tunnel', tunnel);
  }

  test('beside another listener attach() takes the path that the client requests', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const { server, port } = await serve(rewriting(tunnel), true);
    await echoes(await openRaw(port));
    expect(await lineOf(port, '/v1/tunnel')).toBe('HTTP/1.1 400 Neighbour');
    tunnel.attach(server, { path: ['/v1/tunnel', '/tunnel'] });
    await echoes(await openRaw(port, '/v1/tunnel'));
  });

  test('a path that has led to the tunnel still leads to the tunnel when another listener is added', async () => {
    const { port: backend } = await startEcho();
    const { server, port } = await serve(rewriting(makeTunnel({ server: { port: backend } })), false);
    await echoes(await openRaw(port, '/v1/tunnel'));
    greedy(server);
    await echoes(await openRaw(port, '/v1/tunnel'));
    expect(await lineOf(port, '/v1/other')).toBe('HTTP/1.1 400 Neighbour');
  });
});

describe('issue 12, case 19: early data', () => {
  test('a client that leaves after early data is noticed at once', async () => {
    let gone: (code: string) => void = () => undefined;
    const refused = new Promise<string>((resolve) => (gone = resolve));
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const tunnel = makeTunnel({
      server: { port: 1 },
      authenticate: (_req, { signal }) => {
        asked();
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        );
      },
    });
    tunnel.on('refuse', ({ code }) => gone(code));
    const { port } = await serve(express().use('/tunnel', tunnel), false);
    const client = requestTunnel(port);
    await isAsked;
    client.socket.end(frame(2, 'too early'));
    expect(await refused).toBe('WSTUNNEL_CLIENT_GONE');
  });

  test('early data of a client that stays reaches the backend in order', async () => {
    const { port: backend } = await startEcho();
    let goOn: (passes: boolean) => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      const tunnel = makeTunnel({
        server: { port: backend },
        authenticate: () => {
          resolve();
          return new Promise((settle) => (goOn = settle));
        },
      });
      void serve(express().use('/tunnel', tunnel), false).then(({ port: at }) => {
        client = new RawClient(at).send(handshake('/tunnel'), frame(2, 'one '));
      });
    });
    let client: RawClient | undefined;
    await asked;
    // The client sends more than the tunnel reads before the 101.
    const large = Buffer.alloc(200_000, 'x');
    client?.send(frame(2, 'two '), frame(2, large));
    await sleep(50);
    goOn(true);
    expect((await client?.answer())?.status).toBe(101);
    const echoed = await client?.payload(8 + large.length);
    expect(echoed?.equals(Buffer.concat([Buffer.from('one two '), large]))).toBe(true);
  });

  test('early data goes to the other listener with the upgrade', async () => {
    const tunnel = makeTunnel({ server: { port: 1 } });
    const app = express().use('/tunnel', express.Router());
    const server = createServer(app);
    const heads: Buffer[] = [];
    server.on('upgrade', (_req, socket: Duplex, head: Buffer) => {
      heads.push(head);
      socket.on('data', (chunk: Buffer) => {
        heads.push(chunk);
        if (Buffer.concat(heads).toString() === 'onetwo') socket.end('HTTP/1.1 101 Neighbour\r\n\r\n');
      });
    });
    tunnel.attach(server, { path: '/tunnel' });
    await listen(server);
    const client = new RawClient(portOf(server)).send(handshake('/tunnel'), 'one');
    setTimeout(() => client.send('two'), 20);
    expect((await client.answer()).header).toContain('Neighbour');
  });
});
