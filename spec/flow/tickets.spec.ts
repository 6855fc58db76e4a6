import type { IncomingMessage, RequestListener } from 'node:http';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  memoryShared,
  TunnelError,
  type RefuseInfo,
  type Tunnel,
  type TunnelOptions,
} from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { echoes, handshake, openRaw, pageStatus, RawClient, statusOf } from '../support/raw-client.js';
import { closedPort, makeTunnel, startApp, startEcho, startTunnel } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';

/** Nothing ever has this ticket. */
const UNKNOWN = `wst_${'A'.repeat(43)}`;

const MESSAGE = 'this ticket cannot be used: ask the page for a new one';

/** A tunnel at /tunnel without `server`. */
async function startTicketed(options: Partial<TunnelOptions> = {}) {
  const echo = await startEcho();
  const tunnel = makeTunnel({ closeTimeout: 2, ...options });
  const site = await startApp((app) => app.use('/tunnel', tunnel));
  return { ...site, tunnel, echo, target: { port: echo.port } };
}

function refusalsOf(tunnel: Tunnel): RefuseInfo[] {
  const all: RefuseInfo[] = [];
  tunnel.on('refuse', (info) => all.push(info));
  return all;
}

/** A state in memory gives tickets at once. */
const pathOf = (ticket: string | Promise<string>) => `/tunnel?ticket=${ticket as string}`;

async function answerOf(port: number, path: string, headers = {}) {
  const client = new RawClient(port).send(handshake(path, headers));
  const { status } = await client.answer();
  const body = (await client.rest()).toString().trim();
  client.socket.destroy();
  return { status, body };
}

describe('a ticket', () => {
  test('opens one tunnel to its target, for its user', async () => {
    const { port, tunnel, target } = await startTicketed();
    const ticket = tunnel.ticket({ user: 'ann', target });
    expect(ticket).toMatch(/^wst_[\w-]{43}$/);
    const client = await openRaw(port, pathOf(ticket));
    await echoes(client);
    expect(tunnel.tunnels()).toMatchObject([
      { user: 'ann', url: '/tunnel?ticket=***', backend: `127.0.0.1:${target.port}` },
    ]);
    expect(await statusOf(port, pathOf(ticket))).toBe(403);
  });

  test('wins over the options server and user', async () => {
    const user = () => {
      throw new Error('must not be called');
    };
    const site = await startTunnel({ server: { port: await closedPort() }, user });
    const { port } = await startEcho();
    await echoes(await openRaw(site.port, pathOf(site.tunnel.ticket({ user: 'bob', target: { port } }))));
    expect(site.tunnel.tunnels()).toMatchObject([{ user: 'bob' }]);
  });

  test('without a target and a user leaves both to the options', async () => {
    const { port, tunnel } = await startTunnel({ user: () => 'carl' });
    await echoes(await openRaw(port, pathOf(tunnel.ticket({}))));
    expect(tunnel.tunnels()).toMatchObject([{ user: 'carl' }]);
  });

  test('leads to the hosts of a list', async () => {
    const { port, tunnel, target } = await startTicketed();
    const ticket = tunnel.ticket({ target: [{ port: await closedPort() }, target] });
    await echoes(await openRaw(port, pathOf(ticket)));
  });

  test('of a state in memory may lead to an in-process backend', async () => {
    const { port, tunnel } = await startTicketed();
    const { Duplex, PassThrough } = await import('node:stream');
    const connect = () => {
      const both = new PassThrough();
      return Duplex.from({ readable: both, writable: both });
    };
    await echoes(await openRaw(port, pathOf(tunnel.ticket({ target: { connect } }))));
  });

  test('counts for limits.perUser with its user', async () => {
    const { port, tunnel, target } = await startTicketed({ limits: { perUser: 1 } });
    await openRaw(port, pathOf(tunnel.ticket({ user: 'ann', target })));
    expect(await statusOf(port, pathOf(tunnel.ticket({ user: 'ann', target })))).toBe(429);
    await openRaw(port, pathOf(tunnel.ticket({ user: 'bob', target })));
  });

  test('is used up by a request whose backend could not be reached', async () => {
    const { port, tunnel } = await startTicketed();
    const ticket = tunnel.ticket({ target: { port: await closedPort() } });
    expect(await statusOf(port, pathOf(ticket))).toBe(502);
    expect(await statusOf(port, pathOf(ticket))).toBe(403);
  });

  test('is not used up by a request that authenticate, origins or deny refuse', async () => {
    const authenticate = ({ headers }: IncomingMessage) => headers['x-login'] === 'yes';
    const { port, tunnel, target } = await startTicketed({ authenticate });
    const path = pathOf(tunnel.ticket({ target }));
    expect(await statusOf(port, path)).toBe(401);
    expect(await statusOf(port, path, { 'X-Login': 'yes', Origin: 'https://evil.test' })).toBe(403);
    await echoes(await openRaw(port, path, { 'X-Login': 'yes' }));
  });

  test('of two requests at the same moment one gets its tunnel', async () => {
    const { port, tunnel, target } = await startTicketed();
    const path = pathOf(tunnel.ticket({ target }));
    const statuses = await Promise.all(Array.from({ length: 10 }, () => statusOf(port, path)));
    expect(statuses.filter((status) => status === 101)).toHaveLength(1);
    expect(statuses.filter((status) => status === 403)).toHaveLength(9);
  });

  test('made before a reload is valid after the reload', async () => {
    const shared = memoryShared();
    onCleanup(() => shared.close());
    const { port: backend } = await startEcho();
    const options = { name: 'desk', shared };
    const before = makeTunnel(options);
    const ticket = before.ticket({ user: 'ann', target: { port: backend } });
    const after = makeTunnel(options);
    await before.close();
    const { port } = await startApp((app) => app.use('/tunnel', after));
    await echoes(await openRaw(port, pathOf(ticket)));
    expect(await statusOf(port, pathOf(ticket))).toBe(403);
  });

  test('is good for a request with an encoded name and value, and beside other parameters', async () => {
    const { port, tunnel, target } = await startTicketed();
    const ticket = (tunnel.ticket({ target }) as string).replace('wst_', 'wst%5F');
    await echoes(await openRaw(port, `/tunnel?a=b&%74icket=${ticket}&ticket=ST-1-cas`));
  });
});

describe('a refused ticket', () => {
  /** The answer and the event of one request. */
  async function refusalOf(site: { port: number; tunnel: Tunnel }, path: string, headers = {}) {
    const events = refusalsOf(site.tunnel);
    const answer = await answerOf(site.port, path, headers);
    await until(() => events.length > 0);
    expect(events).toHaveLength(1);
    return { ...answer, ...events[0]! };
  }
  const expected = (reason: string) => ({
    ...{ status: 403, body: MESSAGE, code: 'WSTUNNEL_TICKET_REFUSED' },
    reason: `${MESSAGE}: ${reason}`,
  });

  test('that is unknown', async () => {
    const site = await startTicketed();
    const refusal = await refusalOf(site, pathOf(UNKNOWN));
    expect(refusal).toMatchObject(expected('the ticket is unknown, or has expired long ago'));
    expect(inspect(refusal)).not.toContain('AAAA');
  });

  test('that was used before', async () => {
    const site = await startTicketed();
    const path = pathOf(site.tunnel.ticket({ target: site.target }));
    await openRaw(site.port, path);
    expect(await refusalOf(site, path)).toMatchObject(expected('the ticket was used before'));
  });

  test('that has expired', async () => {
    const site = await startTicketed();
    const path = pathOf(site.tunnel.ticket({ target: site.target, seconds: 1 }));
    await sleep(1100);
    expect(await refusalOf(site, path)).toMatchObject(expected('the ticket has expired'));
    expect(await refusalOf(site, path)).toMatchObject(expected('the ticket was used before'));
  });

  test('of a tunnel object with another name', async () => {
    const shared = memoryShared();
    onCleanup(() => shared.close());
    const site = await startTicketed({ shared, name: 'desk' });
    const other = makeTunnel({ shared, name: 'shell' });
    const ticket = other.ticket({ target: site.target });
    expect(await refusalOf(site, pathOf(ticket))).toMatchObject(
      expected('the ticket is for the tunnel with the name shell'),
    );
  });

  test('of another session', async () => {
    const session = ({ headers }: IncomingMessage) => headers['x-session'] as string | undefined;
    const site = await startTicketed({ session });
    const make = () => pathOf(site.tunnel.ticket({ target: site.target, session: 'one' }));
    const reason = expected('the ticket is bound to another session');
    expect(await refusalOf(site, make())).toMatchObject(reason);
    expect(await refusalOf(site, make(), { 'X-Session': 'two' })).toMatchObject(reason);
    await echoes(await openRaw(site.port, make(), { 'X-Session': 'one' }));
  });

  test.each([
    ['of 10 KB', `?ticket=wst_${'A'.repeat(10_240)}`],
    ['with NUL', `?ticket=wst_%00${'A'.repeat(42)}`],
    ['with a broken escape', `?ticket=wst_%zz${'A'.repeat(40)}`],
    ['that is a name of Object', '?ticket=wst___proto__'],
    ['without a value after the prefix', '?ticket=wst_'],
  ])('%s', async (_name, query) => {
    const site = await startTicketed();
    expect(await refusalOf(site, `/tunnel${query}`)).toMatchObject(
      expected('the ticket is unknown, or has expired long ago'),
    );
  });

  test('beside a second one leaves both unused', async () => {
    const site = await startTicketed();
    const [one, two] = [0, 1].map(() => site.tunnel.ticket({ target: site.target }) as string);
    expect(await refusalOf(site, `/tunnel?ticket=${one}&ticket=${two}`)).toMatchObject(
      expected('the request has several tickets'),
    );
    await openRaw(site.port, pathOf(one!));
    await openRaw(site.port, pathOf(two!));
  });

  test('is answered with a Close under refuseWith: close', async () => {
    const site = await startTicketed({ refuseWith: 'close' });
    const client = await openRaw(site.port, pathOf(UNKNOWN));
    const close = await client.frame();
    expect(close?.payload.readUInt16BE()).toBe(4403);
    expect(close?.payload.subarray(2).toString()).toBe(MESSAGE);
  });

  test('without a target gets 404 if the options have no server for the path', async () => {
    const { port: backend } = await startEcho();
    const site = await startTicketed({ rules: [{ url: '/a', server: { port: backend } }] });
    expect(await statusOf(site.port, pathOf(site.tunnel.ticket({})))).toBe(404);
    const ticket = site.tunnel.ticket({}) as string;
    await openRaw(site.port, `/tunnel/a?ticket=${ticket}`);
  });
});

describe('the default session is that of express-session', () => {
  test('a ticket is good in its session only', async () => {
    const session = (await import('express-session')).default;
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({});
    const { port } = await startApp((app) => {
      app.use(session({ secret: 'of a test', resave: false, saveUninitialized: true }));
      app.post('/ticket', (req, res) => {
        res.send(tunnel.ticket({ target: { port: backend }, session: req.sessionID }));
      });
      app.use('/tunnel', tunnel);
    });
    const make = async (cookie?: string) => {
      const url = `http://127.0.0.1:${port}/ticket`;
      const answer = await fetch(url, { method: 'POST', headers: cookie === undefined ? {} : { cookie } });
      const set = answer.headers.get('set-cookie')?.split(';')[0];
      return { ticket: await answer.text(), cookie: cookie ?? set ?? '' };
    };
    const { ticket, cookie } = await make();
    await echoes(await openRaw(port, pathOf(ticket), { Cookie: cookie }));
    const { ticket: second } = await make(cookie);
    expect(await statusOf(port, pathOf(second))).toBe(403);
    expect(await statusOf(port, pathOf(second), { Cookie: cookie })).toBe(403);
  });
});

describe('a request without a ticket', () => {
  test('is refused under tickets: require, also if there is a server', async () => {
    const { port, tunnel } = await startTunnel({ tickets: 'require' });
    expect(await answerOf(port, '/tunnel')).toEqual({
      status: 403,
      body: 'a ticket is needed to open this tunnel',
    });
    expect(await statusOf(port, '/tunnel?ticket=ST-1-of-cas')).toBe(403);
    await openRaw(port, pathOf(tunnel.ticket({})));
  });

  test('goes to next() if there is no server, and no ticket is required', async () => {
    const { port } = await startTicketed();
    expect(await statusOf(port, '/tunnel')).toBe(404);
    expect(await statusOf(port, '/tunnel?ticket=ST-1-of-cas')).toBe(404);
  });

  test('belongs to a tunnel without server that requires tickets', async () => {
    const { port } = await startTicketed({ tickets: 'require' });
    expect(await statusOf(port, '/tunnel')).toBe(403);
    expect(await pageStatus(port, '/tunnel')).toBe(426);
  });

  test('with a ticket of another program is an ordinary request', async () => {
    const { port } = await startTunnel();
    await echoes(await openRaw(port, '/tunnel?ticket=ST-1-of-cas'));
  });

  test('is refused by a rule that requires tickets, and passes by one that does not', async () => {
    const { port: backend } = await startEcho();
    const server = { port: backend };
    const site = await startTicketed({
      rules: [
        { url: '/free', server },
        { url: '/ticket', tickets: 'require' },
      ],
    });
    await openRaw(site.port, '/tunnel/free');
    expect(await statusOf(site.port, '/tunnel/ticket')).toBe(403);
    expect(await statusOf(site.port, '/tunnel/other')).toBe(404);
    const open = await startTicketed({ tickets: 'require', rules: [{ url: '/free', tickets: 'accept' }] });
    expect(await statusOf(open.port, '/tunnel/free')).toBe(404);
    expect(await statusOf(open.port, '/tunnel/other')).toBe(403);
  });
});

describe('a server with other upgrade listeners', () => {
  test('passes requests with a ticket to the tunnel, and others to the listener', async () => {
    const { port, server, tunnel, target } = await startTicketed();
    server.on('upgrade', (_req, socket) => socket.end('HTTP/1.1 418 Other\r\nConnection: close\r\n\r\n'));
    expect(await statusOf(port, '/tunnel')).toBe(418);
    await echoes(await openRaw(port, pathOf(tunnel.ticket({ target }))));
    expect(await statusOf(port, pathOf(UNKNOWN))).toBe(403);
    expect(await statusOf(port, '/elsewhere?ticket=x')).toBe(418);
  });
});

describe('ticket()', () => {
  const errorOf = (act: () => unknown): TunnelError => {
    try {
      act();
    } catch (error) {
      if (error instanceof TunnelError) return error;
    }
    throw new Error('no TunnelError');
  };

  test.each<[unknown, string]>([
    [undefined, 'ticket() must be an object; got undefined'],
    [{ users: 'ann' }, 'ticket() has no "users"; did you mean "user"?'],
    [{ seconds: 0 }, 'ticket().seconds must be a number of seconds from 1 to 86400; got 0'],
    [{ seconds: 86_401 }, 'ticket().seconds must be a number of seconds from 1 to 86400; got 86401'],
    [
      { seconds: 30_000_000 },
      'ticket().seconds must be a number of seconds from 1 to 86400; got 30000000 (it is in seconds; did you mean 30000?)',
    ],
    [{ seconds: '30' }, "ticket().seconds must be a number of seconds from 1 to 86400; got '30'"],
    [{ user: '' }, "ticket().user must be a string that is not empty; got ''"],
    [{ user: 7 }, 'ticket().user must be a string that is not empty; got 7'],
    [{ viewOnly: 'yes' }, "ticket().viewOnly must be true or false; got 'yes'"],
    [
      { session: undefined },
      'ticket() needs a value for session: leave session out if there is none; got undefined',
    ],
    [{ target: {} }, 'ticket().target needs a port (or a socket); got {  }'],
    [{ target: [] }, 'ticket().target needs at least one host; got []'],
    [{ target: { port: 0 } }, 'ticket().target.port must be a whole number from 1 to 65535; got 0'],
    [{ target: 'desk:5900' }, 'ticket().target'],
  ])('%j is refused with a clear message', (options, message) => {
    const tunnel = makeTunnel({ server: { port: 1 } });
    const error = errorOf(() => tunnel.ticket(options as never));
    expect(error.code).toBe('WSTUNNEL_OPTION');
    expect(error.message).toContain(`wstunnel: ${message}`);
  });

  test('needs a target if the options have no server', () => {
    const tunnel = makeTunnel({});
    expect(errorOf(() => tunnel.ticket({})).message).toBe(
      'wstunnel: ticket().target must be given: the options of the tunnel have no server; got undefined',
    );
  });

  test('is refused after close()', async () => {
    const tunnel = makeTunnel({ server: { port: 1 } });
    await tunnel.close();
    expect(errorOf(() => tunnel.ticket({})).code).toBe('WSTUNNEL_DRAINING');
  });

  test.each([
    [{ tickets: 'always' }, 'tickets must be one of "accept", "require"'],
    [{ session: 'sid' }, 'session must be a function'],
  ])('the options %j are refused', (options, message) => {
    expect(errorOf(() => makeTunnel(options as never)).message).toContain(message);
  });
});

describe('a hook session', () => {
  test('that throws, or returns something else than a text, refuses with 500', async () => {
    for (const session of [() => raise(), () => 7]) {
      const { port, tunnel, target } = await startTicketed({ session: session as never });
      expect(await statusOf(port, pathOf(tunnel.ticket({ target, session: 'one' })))).toBe(500);
      await openRaw(port, pathOf(tunnel.ticket({ target })));
    }
    function raise(): never {
      throw new Error('no session');
    }
  });
});

describe('a login check of a tunnel with a ticket', () => {
  const EVERY = 0.1;

  /** A tunnel behind a middleware that counts the checks, and may refuse them. */
  async function startChecked(options: Partial<TunnelOptions> = {}) {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ revalidate: EVERY, closeTimeout: 1, ...options });
    const state = { checks: 0, rewrite: (url: string) => url };
    const listener: RequestListener = (req, res) => {
      if ((req as { wstunnelCheck?: boolean }).wstunnelCheck) {
        state.checks++;
        req.url = state.rewrite(req.url ?? '');
      }
      tunnel(req, res, () => res.writeHead(404).end());
    };
    const { port, server } = await startApp((app) => app.use(listener));
    tunnel.attach(server);
    const causes: string[] = [];
    tunnel.on('close', ({ cause }) => causes.push(cause));
    return { tunnel, port, state, causes, target: { port: backend } };
  }

  test.each([{ name: 'with' }, { name: 'without' }])(
    'passes $name a user of the ticket, whatever the hook user says',
    async ({ name }) => {
      const user = () => 'of the hook';
      const { tunnel, port, state, causes, target } = await startChecked({ user });
      const path = pathOf(tunnel.ticket({ target, ...(name === 'with' && { user: 'ann' }) }));
      const client = await openRaw(port, path);
      await until(() => state.checks > 3);
      await echoes(client);
      expect(causes).toEqual([]);
      expect(await statusOf(port, path)).toBe(403);
      expect(tunnel.tunnels()).toMatchObject([{ user: name === 'with' ? 'ann' : 'of the hook' }]);
    },
  );

  test.each([
    ['without the ticket', () => '/tunnel'],
    ['with another ticket', () => pathOf(UNKNOWN)],
    ['with a second ticket', (url: string) => `${url}&ticket=${UNKNOWN}`],
  ])('ends the tunnel if the request arrives %s', async (_name, rewrite) => {
    const { tunnel, port, state, causes, target } = await startChecked({ server: { port: 1 } });
    const client = await openRaw(port, pathOf(tunnel.ticket({ target })));
    await until(() => state.checks > 0);
    await echoes(client);
    state.rewrite = rewrite;
    await until(() => causes.length > 0);
    expect(causes).toEqual(['login-ended']);
  });

  test('ends the tunnel if the session has changed', async () => {
    let id = 'one';
    const { tunnel, port, state, causes, target } = await startChecked({ session: () => id });
    await openRaw(port, pathOf(tunnel.ticket({ target, session: 'one' })));
    await until(() => state.checks > 2);
    expect(causes).toEqual([]);
    id = 'two';
    await until(() => causes.length > 0);
    expect(causes).toEqual(['login-ended']);
  });

  test('does not accept the ticket of one tunnel for another', async () => {
    const { tunnel, port, state, causes, target } = await startChecked();
    const [first, second] = [0, 1].map((one) => pathOf(tunnel.ticket({ target, user: `user ${one}` })));
    await openRaw(port, first);
    await openRaw(port, second);
    state.rewrite = () => first!;
    await until(() => causes.length > 0);
    expect(causes).toEqual(['login-ended']);
    await until(() => tunnel.tunnels().length === 1);
    expect(tunnel.tunnels()).toMatchObject([{ user: 'user 0' }]);
  });

  test('ends a tunnel without a ticket when a reload of the options requires tickets', async () => {
    const shared = memoryShared();
    onCleanup(() => shared.close());
    const { port: backend } = await startEcho();
    const options = { server: { port: backend }, revalidate: EVERY, closeTimeout: 1, shared };
    let tunnel = makeTunnel(options);
    const { port, server } = await startApp((app) => app.use((req, res, next) => tunnel(req, res, next)));
    tunnel.attach(server);
    const [before, causes] = [tunnel, [] as string[]];
    before.on('close', ({ cause }) => causes.push(cause));
    const ticket = before.ticket({});
    await openRaw(port, '/tunnel');
    await openRaw(port, pathOf(ticket));
    await sleep(300);
    expect(causes).toEqual([]);
    tunnel = makeTunnel({ ...options, tickets: 'require' });
    await until(() => causes.length > 0);
    await sleep(300);
    expect(causes).toEqual(['login-ended']);
    expect(before.tunnels()).toHaveLength(1);
  });
});

test('neither the log nor an event shows a ticket', async () => {
  const lines: string[] = [];
  const write = process.stderr.write.bind(process.stderr);
  process.stderr.write = (line: string) => lines.push(line) > 0;
  onCleanup(() => {
    process.stderr.write = write;
  });
  const events: unknown[] = [];
  const { port, tunnel, target } = await startTicketed({ debug: 4 });
  for (const event of ['open', 'close', 'refuse'] as const)
    tunnel.on(event, (info: unknown) => events.push(info));
  const ticket = tunnel.ticket({ target }) as string;
  const client = await openRaw(port, pathOf(ticket));
  expect(await statusOf(port, pathOf(ticket))).toBe(403);
  expect(await statusOf(port, `/tunnel?ticket=${ticket}x`)).toBe(403);
  client.socket.destroy();
  await until(() => tunnel.tunnels().length === 0);
  expect(events.length).toBeGreaterThan(3);
  expect(lines.length).toBeGreaterThan(3);
  const secret = ticket.slice(4);
  expect(lines.join('')).not.toContain(secret);
  expect(inspect(events, { depth: 5 })).not.toContain(secret);
});
