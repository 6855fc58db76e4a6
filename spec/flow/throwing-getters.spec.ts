import { createServer, IncomingMessage, ServerResponse, type RequestListener } from 'node:http';
import connectApp from 'connect';
import express from 'express';
import express4 from 'express4';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RefuseInfo, Tunnel, TunnelOptions } from '../../src/index.js';
import { requestTunnel } from '../support/raw-client.js';
import { listen, makeTunnel, portOf, startEcho, startHttp } from '../support/servers.js';
import { deferred } from '../support/wait.js';

// A throw outside of the request's error handling, or an unhandled rejection, ends the process: a single request
// must not be able to end the process.
const uncaught: unknown[] = [];
const note = (error: unknown) => {
  uncaught.push(error);
};

beforeEach(() => {
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);
});
afterEach(() => {
  process.off('uncaughtException', note);
  process.off('unhandledRejection', note);
  expect(uncaught.splice(0)).toEqual([]);
});

type Handler = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void;

const frameworks: Record<string, (sabotage: Handler, tunnel: Tunnel) => RequestListener> = {
  'Express 5': (sabotage, tunnel) =>
    express().set('env', 'test').set('trust proxy', 'loopback').use('/tunnel', sabotage, tunnel),
  'Express 4': (sabotage, tunnel) =>
    express4().set('env', 'test').set('trust proxy', 'loopback').use('/tunnel', sabotage, tunnel),
  Connect: (sabotage, tunnel) => connectApp().use('/tunnel', sabotage).use('/tunnel', tunnel),
};

const explode = (): never => {
  throw new Error('a getter that throws');
};
const getter =
  (name: string, of: (req: IncomingMessage, res: ServerResponse) => object): Handler =>
  (req, res, next) => {
    Object.defineProperty(of(req, res), name, { get: explode, configurable: true });
    next();
  };
const onReq = (name: string) => getter(name, (req) => req);

/** Requests a tunnel with a sabotaged request; a second, intact request must still open a tunnel. */
async function askOnce(framework: string, sabotage: Handler, options: Partial<TunnelOptions> = {}) {
  const backend = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend.port }, handshakeTimeout: 5, ...options });
  const refusals: RefuseInfo[] = [];
  tunnel.on('refuse', (info) => refusals.push(info));
  let isFirst = true;
  const once: Handler = (req, res, next) => {
    if (!isFirst) {
      next();
      return;
    }
    isFirst = false;
    sabotage(req, res, next);
  };
  const { port } = await startHttp(frameworks[framework]!(once, tunnel));
  const client = requestTunnel(port, '/tunnel?token=secret', { Origin: 'http://127.0.0.1' });
  const head = await client.head();
  const again = requestTunnel(port, '/tunnel', { Origin: 'http://127.0.0.1' });
  const second = (await again.answer()).status;
  expect(tunnel.stats().opening).toBe(0);
  return { status: head === undefined ? 'ended' : Number(head.split(' ')[1]), second, refusals };
}

const byAddress: Partial<TunnelOptions> = {
  rules: [{ when: { remoteAddress: '127.0.0.1' }, pingInterval: 7 }],
};
/** An app's hook that reads a property of the request. */
function reads<T>(req: IncomingMessage, name: string, result: T): T {
  const value = (req as unknown as Record<string, unknown>)[name];
  return value === explode ? (value as T) : result;
}
const sticky: Partial<TunnelOptions> = {
  balance: 'sticky',
  stickyKey: (req) => reads(req, 'session', 'key'),
};
const picking: TunnelOptions['balance'] = { pick: (hosts, { req }) => reads(req, 'hostname', hosts[0]) };
const byScheme: Partial<TunnelOptions> = { rules: [{ when: { scheme: 'http' }, pingInterval: 7 }] };
const express45 = ['Express 5', 'Express 4'];

describe.each(Object.keys(frameworks))(
  'issue 12, case 6, on %s: a throw makes that request a 500, and the process goes on',
  (framework) => {
    const isExpress = express45.includes(framework);

    test.each<[name: string, sabotage: Handler, options: Partial<TunnelOptions>, onlyExpress?: boolean]>([
      ['ip', onReq('ip'), {}, true],
      ['ip, where a rule asks for it', onReq('ip'), byAddress, true],
      ['user', onReq('user'), {}],
      ['app', onReq('app'), {}],
      ['app, where a rule asks for the address', onReq('app'), byAddress],
      ['app, where a rule asks for the scheme', onReq('app'), byScheme],
      ['socket.remoteAddress', getter('remoteAddress', (req) => req.socket), {}],
      [
        'socket.remoteAddress, where a rule asks for it',
        getter('remoteAddress', (req) => req.socket),
        byAddress,
      ],
      ['socket.encrypted', getter('encrypted', (req) => req.socket), byScheme],
      ['headers.origin', getter('origin', (req) => req.headers), {}],
      ['headers.host', getter('host', (req) => req.headers), {}],
      ['rawHeaders', onReq('rawHeaders'), {}],
      ['method', onReq('method'), {}],
      ['session, in authenticate', onReq('session'), { authenticate: (req) => reads(req, 'session', true) }],
      ['session, in user', onReq('session'), { user: (req) => reads(req, 'session', 'me') }],
      ['session, in stickyKey', onReq('session'), sticky],
      ['secure, in clientAddress', onReq('secure'), { clientAddress: (req) => reads(req, 'secure', '::1') }],
      ['protocol, in origins', onReq('protocol'), { origins: (_, req) => reads(req, 'protocol', true) }],
      ['query, in subprotocol', onReq('query'), { subprotocol: (_, req) => reads(req, 'query', undefined) }],
      ['hostname, in a strategy', onReq('hostname'), { balance: picking }],
    ])('a throw from %s is a 500', async (_name, sabotage, options, onlyExpress = false) => {
      const { status, second, refusals } = await askOnce(framework, sabotage, options);
      // Connect has neither `ip` nor `trust proxy`: nothing reads the property.
      expect([status, second]).toEqual([onlyExpress && !isExpress ? 101 : 500, 101]);
      if (status === 500) expect(refusals).toMatchObject([{ code: 'WSTUNNEL_HOOK_FAILED', status: 500 }]);
      expect(JSON.stringify(refusals)).not.toContain('secret');
    });

    test.each(['secure', 'protocol', 'hostname', 'session', 'query', 'path', 'xhr', 'fresh', 'cookies'])(
      '%s is not read',
      async (name) => {
        expect(await askOnce(framework, onReq(name))).toMatchObject({ status: 101, second: 101 });
      },
    );

    test("a throw from headers before the request is known to be the tunnel's is a 500 as well", async () => {
      expect(await askOnce(framework, onReq('headers'))).toMatchObject({ status: 500, second: 101 });
    });

    // `socket` is left out: Node reads it after the answer, and a throw ends the process even without a tunnel.
    test.each<[string, Handler]>(
      (['setHeader', 'writeHead', 'end', 'once', 'getHeader', 'headersSent', 'statusCode'] as const).map(
        (name) => [name, getter(name, (_req, res) => res)],
      ),
    )('a throw from %s of the response during a refusal', async (_name, sabotage) => {
      // If the answer needs the property, the tunnel can only end the connection.
      const { status, second, refusals } = await askOnce(framework, sabotage, {
        authenticate: passOnlyTheSecond(),
      });
      expect(['ended', 500, 401]).toContain(status);
      expect(second).toBe(101);
      expect(refusals).toHaveLength(1);
    });

    test('a request and a response that throw at every access', async () => {
      const sabotage: Handler = (req, res, next) => {
        for (const name of ['user', 'app', 'ip']) onReq(name)(req, res, () => undefined);
        for (const name of ['headersSent', 'once', 'end']) getter(name, () => res)(req, res, () => undefined);
        next();
      };
      const { status, second } = await askOnce(framework, sabotage, { handshakeTimeout: 0.3 });
      expect(['ended', 500]).toContain(status);
      expect(second).toBe(101);
    });
  },
);

function passOnlyTheSecond(): () => boolean {
  let count = 0;
  return () => ++count > 1;
}

describe.each(express45)("issue 12, case 6, on %s: the app's trust proxy function", (framework) => {
  test('that throws at unknown input fails that request only', async () => {
    const backend = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend.port } });
    const refused = deferred<RefuseInfo>();
    tunnel.on('refuse', (info) => refused.resolve(info));
    const app = framework === 'Express 5' ? express() : express4();
    app.set('env', 'test');
    app.set('trust proxy', (address: string) => {
      if (!/^[\d.]+$/.test(address)) throw new TypeError(`invalid IP address: ${address}`);
      return address === '127.0.0.1' || address === '10.0.0.1';
    });
    app.use('/tunnel', tunnel);
    const { port } = await startHttp(app);
    const ask = async (from: string) => {
      const client = requestTunnel(port, '/tunnel', { 'X-Forwarded-For': from });
      return (await client.answer()).status;
    };
    expect(await ask('203.0.113.7, garbage, 10.0.0.1')).toBe(500);
    expect((await refused.promise).reason).toContain('invalid IP address: garbage');
    expect(await ask('203.0.113.7, 10.0.0.1')).toBe(101);
  });
});

// No framework: Connect and Express read originalUrl before any middleware, and would answer the throw.
test('issue 12, case 6: an originalUrl that throws is a 500, and the event is complete otherwise', async () => {
  const backend = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend.port }, autoAttach: false });
  const refused = deferred<RefuseInfo>();
  tunnel.on('refuse', (info) => refused.resolve(info));
  const { server, port } = await startHttp((req, res) =>
    onReq('originalUrl')(req, res, () => tunnel(req, res, () => res.end())),
  );
  tunnel.attach(server);
  const client = requestTunnel(port, '/tunnel?token=secret');
  expect((await client.answer()).status).toBe(500);
  expect(await refused.promise).toMatchObject({ code: 'WSTUNNEL_HOOK_FAILED', url: '' });
});

test.each(['headersSent', 'setHeader', 'end'])(
  'issue 12, case 6: a response whose %s throws at the handshake deadline ends that request only',
  async (name) => {
    const backend = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend.port }, handshakeTimeout: 0.1 });
    const app = express().set('env', 'test');
    app.use('/tunnel', (req, res) => getter(name, () => res)(req, res, () => undefined), tunnel);
    const { port } = await startHttp(app);
    const client = requestTunnel(port);
    expect((await client.rest()).length).toBe(0);
    client.socket.end();
    await client.closed();
  },
);

test('issue 12, case 6: event listeners that throw or reject fail no request', async () => {
  const backend = await startEcho();
  const tunnel = makeTunnel({
    server: { port: backend.port },
    authenticate: (req) => req.headers['x-in'] === '1',
  });
  for (const event of ['open', 'close', 'refuse'] as const) {
    tunnel.on(event, explode);
    tunnel.on(event, () => Promise.reject(new Error('later')));
  }
  const server = createServer(express().set('env', 'test').use('/tunnel', tunnel));
  await listen(server);
  const ask = async (headers = {}) => {
    const client = requestTunnel(portOf(server), '/tunnel', headers);
    return (await client.answer()).status;
  };
  expect([await ask(), await ask({ 'X-In': '1' })]).toEqual([401, 101]);
});

test('issue 12, case 6: classes of a server may throw when a request is read and answered', async () => {
  // A server's custom classes: Node uses them for every request and answer.
  class OddRequest extends IncomingMessage {
    get ip(): string {
      return explode();
    }
  }
  class OddResponse extends ServerResponse {
    override setHeader(): this {
      return explode();
    }
  }
  const backend = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend.port }, authenticate: () => false });
  const options = { IncomingMessage: OddRequest, ServerResponse: OddResponse };
  const server = createServer(options as object, (req, res) => tunnel(req, res, () => res.end()));
  tunnel.attach(server);
  await listen(server);
  const client = requestTunnel(portOf(server));
  await client.rest();
  client.socket.end();
  await client.closed();
});
