import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { TunnelError, type HookContext, type RefuseInfo, type TunnelOptions } from '../../src/index.js';
import { GRANTS, type AskGrant, type Grant } from '../../src/request/grant.js';
import { echoes, frame, openRaw, statusOf } from '../support/raw-client.js';
import {
  closedPort,
  makeTunnel,
  startApp,
  startBackend,
  startEcho,
  startTunnel,
} from '../support/servers.js';
import { sleep, until } from '../support/wait.js';

type ServerFunction = Extract<TunnelOptions['server'], CallableFunction>;

/** A `server` function that gives grants. */
function granting(
  grant: AskGrant<IncomingMessage>,
  server: ServerFunction = () => {
    throw new Error('must not be called');
  },
): ServerFunction {
  return Object.assign(server, { [GRANTS]: grant });
}

/** A tunnel whose `server` gives this grant. */
async function startGranting(
  grant: Grant | undefined,
  options: Partial<TunnelOptions> = {},
  server?: ServerFunction,
) {
  return startTunnel({ server: granting(() => grant, server), ...options });
}

describe('a grant of server', () => {
  test('gives the target and the user, and the hook user is not called', async () => {
    const { port } = await startEcho();
    const user = () => {
      throw new Error('must not be called');
    };
    const site = await startGranting({ target: { port }, user: 'ann' }, { user });
    await echoes(await openRaw(site.port));
    expect(site.tunnel.tunnels()).toMatchObject([{ user: 'ann', backend: `127.0.0.1:${port}` }]);
  });

  test('without a target leaves the target to the function, and without a user the user to the hook', async () => {
    const { port } = await startEcho();
    const site = await startGranting({}, { user: () => 'bob' }, () => ({ port }));
    await echoes(await openRaw(site.port));
    expect(site.tunnel.tunnels()).toMatchObject([{ user: 'bob' }]);
  });

  test('with viewOnly ends a tunnel whose backend speaks no RFB', async () => {
    const { port } = await startEcho();
    for (const viewOnly of [false, true]) {
      const site = await startGranting({ target: { port }, viewOnly });
      const client = await openRaw(site.port);
      expect(site.tunnel.tunnels()).toMatchObject([{ viewOnly }]);
      client.send(frame(2, Buffer.alloc(64, 'x')));
      if (viewOnly) expect(await client.close()).toMatchObject({ code: 1008 });
      else expect(await client.payload(64)).toHaveLength(64);
    }
  });

  test('that is undefined leaves everything to the function', async () => {
    const site = await startGranting(undefined, {}, () => undefined);
    expect(await statusOf(site.port)).toBe(404);
  });

  test('is asked for once per request, after authenticate and before user, limits and the target', async () => {
    const { port } = await startEcho();
    const order: string[] = [];
    const server = granting(
      (_req, { signal }: HookContext) => {
        order.push(`grant ${signal.aborted}`);
        return Promise.resolve({});
      },
      () => {
        order.push('server');
        return { port };
      },
    );
    const site = await startTunnel({
      server,
      authenticate: () => order.push('authenticate') > 0,
      user: () => {
        order.push('user');
        return undefined;
      },
    });
    await echoes(await openRaw(site.port));
    expect(order.filter((one) => one !== 'user')).toEqual(['authenticate', 'grant false', 'server']);
    expect(order.indexOf('user', order.indexOf('grant false'))).toBe(order.indexOf('server') - 1);
  });

  test('is not asked for if a guard refuses the request', async () => {
    const site = await startTunnel({
      authenticate: () => false,
      server: granting(() => {
        throw new Error('must not be called');
      }),
    });
    expect(await statusOf(site.port)).toBe(401);
  });

  test('counts for limits.perUser with its user', async () => {
    const { port } = await startEcho();
    const site = await startGranting({ target: { port }, user: 'ann' }, { limits: { perUser: 1 } });
    await openRaw(site.port);
    expect(await statusOf(site.port)).toBe(429);
  });

  test.each([
    [0.3, 0],
    [0.3, 60],
    [60, 0.3],
  ])(
    'with maxDuration %d and the option %d ends the tunnel after the shorter time',
    async (most, maxDuration) => {
      const { port } = await startEcho();
      const site = await startGranting({ target: { port }, maxDuration: most }, { maxDuration });
      const causes: string[] = [];
      site.tunnel.on('close', ({ cause }) => causes.push(cause));
      await openRaw(site.port);
      await until(() => causes.length > 0);
      expect(causes).toEqual(['max-duration']);
    },
  );

  test.each<[unknown, string]>([
    [{ target: { port: 0 } }, 'target.port must be a whole number'],
    [{ target: [] }, 'target needs at least one host'],
    [{ user: 7 }, 'user must be a string that is not empty'],
    [{ maxDuration: 0 }, 'maxDuration must be a number of seconds from 0.001'],
    [{ viewOnly: 1 }, 'viewOnly must be true or false'],
    [{ tarhet: {} }, 'has no "tarhet"; did you mean "target"?'],
    ['a text', 'must be an object'],
  ])('%j refuses with 500, and the event names the field', async (grant, message) => {
    const site = await startGranting(grant as Grant);
    const refused: RefuseInfo[] = [];
    site.tunnel.on('refuse', (info) => refused.push(info));
    expect(await statusOf(site.port)).toBe(500);
    expect(refused[0]?.reason).toContain(message);
  });

  test('that throws refuses: a TunnelError with its status, another error with 500', async () => {
    const no = new TunnelError('WSTUNNEL_NO_TARGET', 'this token leads nowhere');
    const asking = (error: Error) => ({ server: granting(() => Promise.reject(error)) });
    expect(await statusOf((await startTunnel(asking(no))).port)).toBe(404);
    expect(await statusOf((await startTunnel(asking(new Error('down')))).port)).toBe(500);
  });

  test('that never comes ends with handshakeTimeout, and the signal aborts', async () => {
    let aborted: AbortSignal | undefined;
    const server = granting((_req, { signal }) => {
      aborted = signal;
      return new Promise(() => undefined);
    });
    const site = await startTunnel({ server, handshakeTimeout: 0.1 });
    expect(await statusOf(site.port)).toBe(504);
    expect(aborted?.aborted).toBe(true);
  });

  test('has a user, by whom end() finds the request before the backend is reached', async () => {
    const slow = await startBackend();
    const site = await startGranting(
      { target: { port: slow.port, proxyProtocol: 1 }, user: 'ann' },
      { subprotocol: () => sleep(500).then(() => undefined) as never },
    );
    const status = statusOf(site.port);
    await until(() => slow.sockets.size > 0);
    expect(site.tunnel.end(({ user }) => user === 'ann')).toBe(1);
    expect(await status).toBe(403);
  });
});

describe('a grant and a ticket', () => {
  test('a ticket with a target needs no grant of server', async () => {
    const { port } = await startEcho();
    const server = granting(() => {
      throw new Error('must not be called');
    });
    const site = await startTunnel({ server });
    const ticket = site.tunnel.ticket({ target: { port } }) as string;
    await echoes(await openRaw(site.port, `/tunnel?ticket=${ticket}`));
  });

  test('a ticket without a target gets the target of the grant, and keeps its own user', async () => {
    const { port } = await startEcho();
    const site = await startGranting({ target: { port }, user: 'of the token', maxDuration: 60 });
    const ticket = site.tunnel.ticket({ user: 'ann' }) as string;
    await echoes(await openRaw(site.port, `/tunnel?ticket=${ticket}`));
    expect(site.tunnel.tunnels()).toMatchObject([{ user: 'ann' }]);
  });
});

describe('a login check', () => {
  test('does not ask for the grant again, and compares its user', async () => {
    const { port: backend } = await startEcho();
    let [asked, checks] = [0, 0];
    const server = granting(() => {
      asked++;
      return { target: { port: backend }, user: `user ${asked}` };
    });
    const tunnel = makeTunnel({ server, revalidate: 0.1, closeTimeout: 1 });
    const { port } = await startApp((app) => {
      app.use((req, _res, next) => {
        if ((req as { wstunnelCheck?: boolean }).wstunnelCheck) checks++;
        next();
      });
      app.use('/tunnel', tunnel);
    });
    const causes: string[] = [];
    tunnel.on('close', ({ cause }) => causes.push(cause));
    const clients = [await openRaw(port), await openRaw(port)];
    const before = checks;
    await until(() => checks > before + 6);
    for (const client of clients) await echoes(client);
    expect(asked).toBe(2);
    expect(causes).toEqual([]);
    expect(tunnel.tunnels().map(({ user }) => user)).toEqual(['user 1', 'user 2']);
  });
});

test('a host of a grant that is down is left to the next host', async () => {
  const { port } = await startEcho();
  const site = await startGranting({ target: [{ port: await closedPort() }, { port }] });
  await echoes(await openRaw(site.port));
  await echoes(await openRaw(site.port));
});
