import { once } from 'node:events';
import type { NextFunction, Request, Response } from 'express';
import { describe, expect, test } from 'vitest';
import type {
  HookContext,
  RefuseInfo,
  Tunnel,
  TunnelError,
  TunnelInfo,
  TunnelOptions,
} from '../../src/index.js';
import { frame, openRaw, requestTunnel } from '../support/raw-client.js';
import { makeTunnel, startApp, startEcho, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

function refusalsOf(tunnel: Tunnel): RefuseInfo[] {
  const all: RefuseInfo[] = [];
  tunnel.on('refuse', (info) => all.push(info));
  return all;
}

const ask = async (port: number, headers = {}) => {
  const client = requestTunnel(port, '/tunnel', headers);
  const answer = await client.answer();
  return { client, answer, body: answer.status === 101 ? '' : (await client.rest()).toString() };
};

describe('the order of hooks', () => {
  test('is address, origin, authenticate, user, server, pick, subprotocol, each with the request', async () => {
    const backend = await startEcho();
    const calls: string[] = [];
    const note =
      <T>(name: string, value: T) =>
      (...args: unknown[]): T => {
        calls.push(name);
        expect(args.some((arg) => (arg as { url?: unknown } | undefined)?.url === '/?x=1')).toBe(true);
        return value;
      };
    const { port } = await startTunnel({
      clientAddress: note('address', '192.0.2.1'),
      origins: note('origin', Promise.resolve(true)),
      authenticate: note('authenticate', Promise.resolve(true)),
      user: note('user', 'me'),
      server: note('server', Promise.resolve({ port: backend.port })),
      balance: {
        pick: (hosts, request) => {
          expect(request).toMatchObject({ address: '192.0.2.1', path: '/tunnel', authority: '127.0.0.1' });
          return note('pick', hosts[0])(request.req);
        },
      },
      subprotocol: note('subprotocol', undefined),
    });
    await openRaw(port, '/tunnel?x=1');
    expect(calls).toEqual(['address', 'origin', 'authenticate', 'user', 'server', 'pick', 'subprotocol']);
  });

  test.each<[number, Partial<TunnelOptions>, object]>([
    [403, { deny: ['127.0.0.1'], origins: () => true }, {}],
    [403, { origins: 'same' }, { Origin: 'http://evil.example' }],
    [400, {}, { 'Sec-WebSocket-Key': 'x' }],
  ])('%i is answered before authenticate is called', async (status, options, headers) => {
    let asked = 0;
    const { port } = await startTunnel({ ...options, authenticate: () => ++asked > 0 });
    expect((await ask(port, headers)).answer.status).toBe(status);
    expect(asked).toBe(0);
  });
});

describe('authenticate', () => {
  test('passes with true only, at once or later', async () => {
    let result: unknown;
    const { port } = await startTunnel({ authenticate: () => result as boolean });
    for (const [value, status] of [
      [true, 101],
      [Promise.resolve(true), 101],
      [1, 401],
      [null, 401],
      [undefined, 401],
      [{}, 500],
    ] as const) {
      result = value;
      expect((await ask(port)).answer.status, typeof value).toBe(status);
    }
  });

  test('when the client leaves, its signal aborts, one event is sent, and nothing is left', async () => {
    let context: HookContext | undefined;
    let settle: ((passes: boolean) => void) | undefined;
    const { port, server, tunnel, backend } = await startTunnel({
      authenticate: (_req, given) => {
        context = given;
        return new Promise((resolve) => (settle = resolve));
      },
    });
    const events = refusalsOf(tunnel);
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      context = undefined;
      const client = requestTunnel(port);
      await until(() => context !== undefined);
      client.socket[leave]();
      await until(() => context?.signal.aborted === true);
      expect(context!.signal.reason).toMatchObject({ code: 'WSTUNNEL_CLIENT_GONE' });
      settle?.(true);
      await until(() => events.length > 0);
      expect(events.splice(0)).toMatchObject([
        { code: 'WSTUNNEL_CLIENT_GONE', status: 499, address: '127.0.0.1' },
      ]);
      await client.closed();
    }
    await until(
      () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count === 0))),
    );
    expect(backend?.sockets.size).toBe(0);
    expect(tunnel.stats()).toMatchObject({ opened: 0, refused: { WSTUNNEL_CLIENT_GONE: 3 } });
  });

  test('at the deadline its signal aborts, and a late result is ignored', async () => {
    let context: HookContext | undefined;
    let settle: ((passes: boolean) => void) | undefined;
    const { port, tunnel } = await startTunnel({
      handshakeTimeout: 0.05,
      authenticate: (_req, given) => {
        context = given;
        return new Promise((resolve) => (settle = resolve));
      },
    });
    expect((await ask(port)).answer.status).toBe(504);
    expect(context?.signal.reason).toMatchObject({ code: 'WSTUNNEL_HANDSHAKE_TIMEOUT' });
    settle?.(true);
    expect(tunnel.stats().opened).toBe(0);
  });
});

describe('subprotocol', () => {
  test.each<[TunnelOptions['subprotocol'], string | undefined, number, string | undefined]>([
    [undefined, undefined, 101, undefined],
    [undefined, 'chat', 101, undefined],
    [undefined, 'chat, binary', 101, 'binary'],
    [(offered) => [...offered][0], 'chat, binary', 101, 'chat'],
    [() => undefined, 'chat, binary', 101, undefined],
    [() => 'other', 'chat', 500, undefined],
    [() => 'binary', undefined, 500, undefined],
  ])('that returns %o for "%s" decides what is agreed on', async (subprotocol, offered, status, chosen) => {
    const { port } = await startTunnel(subprotocol && { subprotocol });
    const { answer } = await ask(port, { 'Sec-WebSocket-Protocol': offered });
    expect(answer.status).toBe(status);
    expect(answer.headers['sec-websocket-protocol']).toBe(chosen);
  });

  test('binary makes a text tunnel send binary frames', async () => {
    const { port } = await startTunnel({ frameType: 'text' });
    for (const [offered, opcode] of [
      ['binary', 2],
      ['chat', 1],
      [undefined, 1],
    ] as const) {
      const { client } = await ask(port, { 'Sec-WebSocket-Protocol': offered });
      expect((await client.send(frame(2, 'x')).frame())?.opcode).toBe(opcode);
    }
  });
});

test('the hook `user` names the client in events', async () => {
  const { port, tunnel } = await startTunnel({ user: (req) => req.headers['x-user'] as string });
  const opened = once(tunnel, 'open') as Promise<[TunnelInfo]>;
  await openRaw(port, '/tunnel', { 'X-User': 'ada' });
  expect((await opened)[0].user).toBe('ada');
});

describe.each([
  ['the result of the hook `user`', (user: unknown) => () => user as string],
  // The types have no promise, but JavaScript has.
  ['the later result of the hook `user`', (user: unknown) => () => Promise.resolve(user) as never],
])('%s', (_what, hookOf) => {
  const withUser = (user: unknown) => startTunnel({ user: hookOf(user) });

  test.each([
    [7, '7'],
    [7n, '7'],
    [null, undefined],
    ['', ''],
  ])('%s opens a tunnel of the user %j', async (given, user) => {
    const { port, tunnel } = await withUser(given);
    const opened = once(tunnel, 'open') as Promise<[TunnelInfo]>;
    const client = await openRaw(port, '/tunnel');
    client.send(frame(2, 'hello'));
    expect((await client.payload(5)).toString()).toBe('hello');
    expect((await opened)[0].user).toBe(user);
  });

  test.each([[{ id: 7 }], [true], [['ann']]])('%j is a 500 that names the hook', async (given) => {
    const { port, tunnel } = await withUser(given);
    const refusals = refusalsOf(tunnel);
    expect((await ask(port)).answer.status).toBe(500);
    expect(refusals).toMatchObject([{ reason: expect.stringMatching(/^user: /) as string }]);
  });
});

test('a stickyKey that is no text is a 500 that names the hook', async () => {
  const server = [{ port: 1 }, { port: 2 }];
  const { port, tunnel } = await startTunnel({
    server,
    balance: 'sticky',
    stickyKey: () => 7 as unknown as string,
  });
  const refusals = refusalsOf(tunnel);
  expect((await ask(port)).answer.status).toBe(500);
  expect(refusals).toMatchObject([
    { reason: expect.stringContaining('stickyKey must return a string') as string },
  ]);
});

describe('onRefuse', () => {
  type OnRefuse = NonNullable<TunnelOptions['onRefuse']>;

  /** A tunnel that refuses every client, in an app with an error handler. */
  async function refusing(onRefuse: OnRefuse, more: Partial<TunnelOptions> = {}) {
    const handled: TunnelError[] = [];
    const tunnel = makeTunnel({ server: { port: 1 }, authenticate: () => false, onRefuse, ...more });
    const site = await startApp((app) => {
      app.use('/tunnel', tunnel, (_req, res) => void res.status(418).send('the next'));
      app.use((error: TunnelError, _req: Request, res: Response, next: NextFunction) => {
        handled.push(error);
        if (error.code === 'WSTUNNEL_NOT_AUTHENTICATED') res.status(error.status).send('the app: log in');
        else next(error);
      });
    });
    return { ...site, handled, events: refusalsOf(tunnel) };
  }

  test('can answer with a page of the app', async () => {
    const { port, events } = await refusing((refusal, _req, res) => {
      res.writeHead(refusal.status, { 'Content-Type': 'text/html' }).end(`<h1>${refusal.code}</h1>`);
    });
    const { client, answer, body } = await ask(port);
    expect(answer).toMatchObject({
      status: 401,
      headers: { 'content-type': 'text/html', connection: 'close' },
    });
    expect(body).toContain('<h1>WSTUNNEL_NOT_AUTHENTICATED</h1>');
    client.socket.end();
    await client.closed();
    expect(events).toHaveLength(1);
  });

  test("can pass the refusal to the app's error handler, or to the next middleware", async () => {
    const { port, handled } = await refusing((refusal, _req, _res, next) => next(refusal));
    const { answer, body } = await ask(port);
    expect([answer.status, body]).toEqual([401, 'the app: log in']);
    expect(handled).toMatchObject([
      { name: 'TunnelError', code: 'WSTUNNEL_NOT_AUTHENTICATED', expose: true },
    ]);
    const other = await refusing((_refusal, _req, _res, next) => next());
    expect((await ask(other.port)).answer.status).toBe(418);
  });

  test("Express's default handler takes the status from the refusal", async () => {
    const { port } = await refusing((refusal, _req, _res, next) => next(refusal), { deny: ['127.0.0.1'] });
    expect((await ask(port)).answer.status).toBe(403);
  });

  test.each<[string, OnRefuse]>([
    [
      'throws',
      () => {
        throw new Error('secret');
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret'))],
  ])('the answer is 500 where it %s', async (_name, onRefuse) => {
    const { port, events } = await refusing(onRefuse);
    const { answer, body } = await ask(port);
    expect(answer).toMatchObject({ status: 500, headers: { connection: 'close' } });
    expect(body).toBe('The tunnel could not be opened.\n');
    expect(events).toHaveLength(1);
  });

  test.each<[string, OnRefuse]>([
    ['never answers', () => undefined],
    ['never settles', () => new Promise(() => undefined)],
  ])('the socket is ended after handshakeTimeout where it %s', async (_name, onRefuse) => {
    const { port } = await refusing(onRefuse, { handshakeTimeout: 0.05 });
    const client = requestTunnel(port);
    expect((await client.rest()).length).toBe(0);
    client.socket.end();
    await client.closed();
  });

  test('may answer in a later event-loop turn', async () => {
    const { port } = await refusing(async (refusal, _req, res) => {
      await new Promise((resolve) => setImmediate(resolve));
      res.statusCode = refusal.status;
      res.end('later');
    });
    expect((await ask(port)).body).toBe('later');
  });
});
