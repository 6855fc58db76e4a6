import fc from 'fast-check';
import { expect, test } from 'vitest';
import { wstunnel, type Tunnel, type TunnelOptions } from '../../src/index.js';
import { LocalState } from '../../src/shared/local-state.js';
import { closeFrame, requestTunnel, type RawClient } from '../support/raw-client.js';
import { closedPort, startApp, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

const USERS = ['ann', 'bob', 'nobody', 'throws'] as const;
const PATHS = ['/seat', '/free', '/dead', '/slow'] as const;

/** One step: what happens, and to which of the clients. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant('open' as const),
      user: fc.constantFrom(...USERS),
      path: fc.constantFrom(...PATHS),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constantFrom('close' as const, 'cut' as const), which: fc.nat(20) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant('end' as const), user: fc.constantFrom('ann', 'bob') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ act: fc.constant('reload' as const), isOldClosed: fc.boolean(), most: fc.nat(3) }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('pause' as const) }) },
);

test('whatever is opened, closed, refused, replaced and reloaded: in the end every count is zero again', async () => {
  const [{ port: echo }, dead] = [await startEcho(), await closedPort()];
  let tunnel: Tunnel | undefined;
  const { server, port } = await startApp((app) => app.use((...args) => tunnel!(...args)));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 30 }), async (steps) => {
      const state = new LocalState({ isKept: true });
      const tunnels: Tunnel[] = [];
      const make = (most: number) => {
        const options: TunnelOptions = {
          server: {
            '/seat': { port: echo, maxTunnels: 1, onFull: 'takeover' },
            '/free': { host: 'localhost', port: echo },
            '/dead': { port: dead, disableTime: 0 },
            '/slow': {
              connect: () => new Promise<never>(() => undefined),
              connectTimeout: 0.1,
              disableTime: 0,
            },
          },
          user: ({ headers }) => {
            const name = headers['x-user'] as string;
            if (name === 'throws') throw new Error('no user');
            return name === 'nobody' ? undefined : name;
          },
          limits: { perUser: most, total: most * 2, opening: 4 },
          closeTimeout: 0.2,
          handshakeTimeout: 5,
          autoAttach: false,
        };
        tunnel = wstunnel({ ...options, shared: state }).attach(server, { path: '/', exclusive: true });
        tunnels.push(tunnel);
      };
      make(2);
      const clients: RawClient[] = [];
      try {
        for (const one of steps) {
          if (one.act === 'open') clients.push(requestTunnel(port, one.path, { 'X-User': one.user }));
          else if (one.act === 'end') void tunnel!.end({ user: one.user });
          else if (one.act === 'reload') {
            const old = tunnel!;
            make(one.most);
            if (one.isOldClosed) void old.close({ timeout: 0.1 });
          } else if (one.act === 'pause') await new Promise((resolve) => setTimeout(resolve, 5));
          else {
            const client = clients[one.which % Math.max(1, clients.length)];
            if (one.act === 'close') client?.send(closeFrame(1000));
            else client?.socket.destroy();
          }
        }
      } finally {
        for (const { socket } of clients) socket.destroy();
      }
      const now = () => tunnel!.stats();
      await until(() => now().open === 0 && now().opening === 0);
      expect(now().backends.map(({ load }) => load)).toEqual([0, 0, 0, 0]);
      const sum = Object.values(now().closed).reduce((a, b) => a + b, 0);
      expect(sum).toBe(now().opened);
      // Under a limit of one, a slot is free only if no slot is in use.
      for (const name of ['total', 'user ann', 'user bob', 'client 127.0.0.1']) {
        const slot = await state.counter.take([{ name, most: 1 }]);
        expect([name, slot]).not.toEqual([name, 0]);
        if (typeof slot !== 'number') slot.release();
      }
      await until(() => {
        const slot = state.openingCounter.take([{ name: 'total', most: 1 }]);
        if (typeof slot !== 'number') slot.release();
        return typeof slot !== 'number';
      });
      await Promise.all(tunnels.map((one) => one.close({ timeout: 0 })));
      expect(state.members.size).toBe(0);
      await state.close();
    }),
    { numRuns: Number(process.env.RUNS ?? 40) },
  );
}, 100_000);
