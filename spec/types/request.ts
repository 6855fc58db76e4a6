// The request type of hooks. Only compiled, never run: see types.spec.ts.
import type { IncomingMessage } from 'node:http';
import express, { type Request, type Response } from 'express';
import { expectTypeOf } from 'vitest';
import {
  wstunnel,
  type BalanceStrategy,
  type HostState,
  type Tunnel,
  type TunnelOptions,
} from '../../src/index.js';

interface Known extends IncomingMessage {
  who: string;
}

const server = { port: 5900 };
const app = express();

// The type is given, or inferred from one of the hooks.
expectTypeOf(wstunnel<Known>({ server, user: (req) => req.who })).toEqualTypeOf<Tunnel<Known>>();
expectTypeOf(wstunnel({ server, user: (req: Known) => req.who })).toEqualTypeOf<Tunnel<Known>>();
expectTypeOf(wstunnel({ server, authenticate: (req: Request) => req.secure })).toEqualTypeOf<
  Tunnel<Request>
>();
expectTypeOf(wstunnel({ server })).toEqualTypeOf<Tunnel>();
const options: TunnelOptions<Request> = { server, authenticate: (req) => req.secure };
expectTypeOf(wstunnel(options)).toEqualTypeOf<Tunnel<Request>>();
wstunnel({
  server,
  user: (req) => {
    expectTypeOf(req).not.toHaveProperty('who');
    return req.headers.from;
  },
});
// @ts-expect-error not a request
wstunnel<{ who: string }>({ server });

// An app accepts only middleware for a request type that the app can pass.
app.use(wstunnel<Request>({ server, user: (req) => req.ip }));
app.use('/vnc', wstunnel({ server, user: (req: Request) => req.ip }));
app.use(wstunnel({ server, user: (req) => req.ip }));
app.use('/vnc', wstunnel({ server, user: (req) => req.url }));
// @ts-expect-error Express passes a request without `who`
app.use(wstunnel<Known>({ server, user: (req) => req.who }));

// With Express, onRefuse gets Express's response.
wstunnel<Request>({
  server,
  onRefuse: (refusal, req, res: Response) => res.status(refusal.status).json(req.ip),
});
wstunnel({
  server,
  onRefuse: (refusal, req: Request, res: Response) => res.send(refusal.message + req.path),
});
// @ts-expect-error not a response
wstunnel({ server, onRefuse: (refusal, _req, res: string) => res + refusal.message });

// A custom strategy.
const byName: BalanceStrategy<Known> = {
  pick: (hosts, { req, address, path, authority }) => {
    expectTypeOf(hosts).toEqualTypeOf<readonly HostState[]>();
    expectTypeOf(req).toEqualTypeOf<Known>();
    expectTypeOf([address, path, authority]).toEqualTypeOf<string[]>();
    return hosts.find(({ id }) => id.startsWith(req.who));
  },
  opened: (host) => expectTypeOf(host).toEqualTypeOf<HostState>(),
};
wstunnel<Known>({ server, balance: byName });
expectTypeOf(wstunnel({ server, balance: byName })).toEqualTypeOf<Tunnel<Known>>();
const byLoad: BalanceStrategy = {
  pick: async (hosts) => Promise.resolve(hosts.find(({ load }) => load < 4)),
};
wstunnel({ server, balance: byLoad });
wstunnel<Known>({ server, balance: byLoad });
wstunnel({ server, balance: { pick: (hosts) => hosts[0], closed: ({ id }) => id.length } });
// @ts-expect-error pick returns a host, not an id
wstunnel({ server, balance: { pick: (hosts) => hosts[0]?.id } });
wstunnel({
  server,
  balance: {
    pick: (hosts, request) => {
      expectTypeOf(hosts).not.toHaveProperty('pop');
      // @ts-expect-error a strategy cannot change the request
      request.path = '/';
      return undefined;
    },
    opened: (host) => {
      // @ts-expect-error a strategy cannot change the load of a host
      host.load = 0;
    },
  },
});
