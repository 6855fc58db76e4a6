import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import middie from '@fastify/middie';
import { serve, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import fastify, { type FastifyInstance, type FastifyTypeProvider } from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import fromConnect from 'koa-connect';
import { describe, expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { openRaw, requestTunnel } from '../support/raw-client.js';
import { listen, makeTunnel, portOf, startEcho } from '../support/servers.js';
import { holds } from '../support/wait.js';
import { echoes, guards, knock, PATH, start, startEdited } from './guarded.js';
import { logIn, request } from './recipe.js';

describe.each(['fastify.mjs', 'fastify-route.mjs', 'koa.mjs', 'hono.mjs'])('issue 21: %s', (name) => {
  test('the login opens the tunnel and the logout ends it, and other paths go to the framework', async () => {
    const site = await start(name);
    const { dial } = site;
    const client = await guards(site);
    expect((await request(dial(), 'GET', '/')).body).toContain('Log in</button>');
    const wrong = { 'Content-Type': 'application/x-www-form-urlencoded' };
    expect((await request(dial(), 'POST', '/login', wrong, 'username=ann&password=no')).status).toBe(401);

    const ann = await logIn(dial());
    expect(await request(dial(), 'GET', '/', ann)).toMatchObject({ status: 200, body: 'you are ann' });
    for (const path of ['/vncx', '/elsewhere']) {
      expect((await knock(dial(), ann, path)).status).toBe(404);
      expect((await request(dial(), 'GET', path, ann)).status).toBe(404);
    }
    expect((await request(dial(), 'GET', PATH)).status).toBe(401);
    expect((await request(dial(), 'GET', PATH, ann)).status).toBe(404);
    expect((await knock(dial(), { ...ann, Origin: 'https://elsewhere.example' })).status).toBe(403);
    // The guard also covers spellings of the path that a router may decode or fold.
    for (const path of ['/VNC', '/%76nc', '/vnc/', '//vnc', '/vnc/../vnc', '/x/../vnc', '/vnc;a', '/vnc%2f'])
      expect({ path, status: (await knock(dial(), {}, path)).status }).toEqual({
        path,
        status: expect.toBeOneOf([400, 401, 404]) as number,
      });

    expect((await request(dial(), 'POST', '/logout')).status).toBe(401);
    expect((await request(dial(), 'POST', '/logout', ann)).status).toBe(303);
    expect(await client.close()).toEqual({ code: 1008, reason: 'logged out' });
    expect((await knock(dial(), ann)).status).toBe(401);
  });

  test('with revalidate, the tunnel ends with its session, even without a call of end()', async () => {
    const { dial } = await startEdited(name, [
      ['revalidate: 60', 'revalidate: 0.2'],
      [/^ *tunnel\.end.*$/m, ''],
    ]);
    const [here, there] = [await logIn(dial()), await logIn(dial())];
    const client = await openRaw(dial(), PATH, here);
    const other = await openRaw(dial(), PATH, there);
    expect((await request(dial(), 'POST', '/logout', here)).status).toBe(303);
    expect(await client.close()).toEqual({ code: 1008, reason: 'the login has ended' });
    await echoes(other);
  });
});

test.each(['fastify.mjs', 'fastify-route.mjs'])('issue 21: %s ends on SIGTERM', async (name) => {
  const site = await start(name);
  const client = await guards(site);
  // This connection stays open after Fastify's answer.
  expect((await knock(site.dial(), {}, '/elsewhere')).status).toBe(404);
  const exited = once(site.program.process, 'exit');
  site.program.process.kill('SIGTERM');
  expect((await client.close())?.code).toBe(1001);
  client.socket.end();
  expect(await exited).toEqual([0, null]);
});

type Scope = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyInstance['log'],
  FastifyTypeProvider
>;

/** The parts of a framework that run on an upgrade, as described in the comments of the recipes. */
describe('issue 21: an upgrade runs', () => {
  const makeEcho = async () => makeTunnel({ server: { port: (await startEcho()).port } });
  const BEFORE = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const;

  /** An app of Fastify that lists the hooks that run, with the name of the scope. */
  function listHooks() {
    const app = fastify({ trustProxy: '127.0.0.1' });
    onCleanup(() => app.close());
    const runs: string[] = [];
    const add = (scope: Scope, prefix = '') => {
      const record = (name: string) => () => {
        runs.push(prefix + name);
        return Promise.resolve();
      };
      for (const hook of BEFORE) scope.addHook(hook, record(hook));
      scope.addHook('onSend', record('onSend'));
    };
    const open = async () => {
      await app.listen({ port: 0, host: '127.0.0.1' });
      const client = requestTunnel(portOf(app.server), '/tunnel', { 'X-Forwarded-For': '192.0.2.7' });
      const { status, headers } = await client.answer();
      expect(status).toBe(101);
      await echoes(client);
      return headers;
    };
    return { app, runs, add, open };
  }

  test("with middie, the onRequest hooks before middie's and no other hook of Fastify", async () => {
    const { app, runs, add, open } = listHooks();
    app.addHook('onRequest', (_request, reply, done) => {
      runs.push('first');
      reply.raw.setHeader('X-Raw', 'yes');
      done();
    });
    await app.register(middie);
    add(app);
    app.register((scope, _options, done) => {
      add(scope, 'scope ');
      done();
    });
    const { port } = await startEcho();
    // middie sets the address that Fastify has found on Node's request.
    const tunnel = makeTunnel({
      server: { port },
      clientAddress: (req: IncomingMessage & { ip?: string }) => req.ip,
    });
    app.use('/tunnel', tunnel);
    expect(await open()).toMatchObject({ 'x-raw': 'yes' });
    expect(runs).toEqual(['first']);
    expect(tunnel.tunnels()).toMatchObject([{ address: '192.0.2.7' }]);
  });

  test('in a route, the hooks of Fastify and of the scope up to the handler', async () => {
    const { app, runs, add, open } = listHooks();
    const tunnel = await makeEcho();
    add(app);
    app.register((scope, _options, done) => {
      add(scope, 'scope ');
      scope.get('/tunnel', (request, reply) => {
        reply.hijack();
        tunnel(request.raw, reply.raw, () => reply.raw.end());
      });
      done();
    });
    await open();
    expect(runs).toEqual(BEFORE.flatMap((hook) => [hook, `scope ${hook}`]));
  });

  test("Koa's middleware up to the tunnel, and its headers are in the 101", async () => {
    const app = new Koa();
    const runs: string[] = [];
    app.use(async (ctx, next) => {
      ctx.set('X-Koa', 'yes');
      runs.push('before');
      await next();
      runs.push('after');
    });
    app.use(fromConnect(await makeEcho()));
    const server = createServer(app.callback());
    await listen(server);
    const client = requestTunnel(portOf(server), '/');
    expect(await client.answer()).toMatchObject({ status: 101, headers: { 'x-koa': 'yes' } });
    await echoes(client);
    expect(runs).toEqual(['before']);
  });

  test("Hono's middleware before and after the handler, and headers of `outgoing` are in the 101", async () => {
    const tunnel = await makeEcho();
    const runs: string[] = [];
    const app = new Hono<{ Bindings: HttpBindings }>();
    app.use(async (c, next) => {
      c.header('X-Hono', 'yes');
      c.env.outgoing.setHeader('X-Outgoing', 'yes');
      runs.push('before');
      await next();
      runs.push('after');
    });
    app.get('/tunnel', (c) => {
      const { incoming, outgoing } = c.env;
      return new Promise<Response>((resolve) => {
        outgoing.once('close', () => resolve(RESPONSE_ALREADY_SENT));
        tunnel(incoming, outgoing, () => resolve(new Response()));
      });
    });
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server;
    onCleanup(() => server.close());
    await once(server, 'listening');
    const client = requestTunnel(portOf(server), '/tunnel');
    const { status, headers } = await client.answer();
    expect({ status, headers }).toMatchObject({ status: 101, headers: { 'x-outgoing': 'yes' } });
    expect(headers).not.toHaveProperty('x-hono');
    await echoes(client);
    await holds(() => expect(runs).toEqual(['before', 'after']));
    client.socket.destroy();
  });
});
