// Only compiled, never run: see types.spec.ts.
import { once, type EventEmitter } from 'node:events';
import { createServer } from 'node:http';
import { createSecureServer, createServer as createHttp2Server } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { RequestHandler } from 'express';
import { expectTypeOf } from 'vitest';
import create, {
  TunnelError,
  wstunnel,
  type BackendInfo,
  type ClosedInfo,
  type CloseOptions,
  type EndResult,
  type HostState,
  type RefuseInfo,
  type SharedInfo,
  type TicketOptions,
  type Tunnel,
  type TunnelErrorCode,
  type TunnelInfo,
} from '../../src/index.mjs';

const tunnel = wstunnel({ server: { port: 5900 } });
expectTypeOf(tunnel).toEqualTypeOf<Tunnel>();
expectTypeOf(create).toEqualTypeOf(wstunnel);

// A tunnel is middleware for Express and for plain http.
expectTypeOf(tunnel).toExtend<RequestHandler>();
createServer((req, res) => tunnel(req, res, () => res.end()));
// @ts-expect-error next is required
createServer((req, res) => tunnel(req, res));

// A tunnel is an emitter with typed events.
expectTypeOf(tunnel).toExtend<EventEmitter>();
tunnel.on('open', (info) => expectTypeOf(info).toEqualTypeOf<TunnelInfo>());
tunnel.once('close', (info) => {
  expectTypeOf(info).toEqualTypeOf<ClosedInfo>();
  expectTypeOf(info.code).toEqualTypeOf<number>();
  expectTypeOf(info.bytesIn).toEqualTypeOf<number>();
  expectTypeOf(info.user).toEqualTypeOf<string | undefined>();
});
tunnel.on('refuse', (info) => expectTypeOf(info).toEqualTypeOf<RefuseInfo>());
tunnel.addListener('backend', (info) => expectTypeOf(info).toEqualTypeOf<BackendInfo>());
tunnel.on('shared', (info) => expectTypeOf(info).toEqualTypeOf<SharedInfo>());
expectTypeOf(tunnel.on('open', () => undefined)).toEqualTypeOf<Tunnel>();
void once(tunnel, 'close');
tunnel.on('open', (info) => {
  expectTypeOf(info).not.toHaveProperty('code');
  // @ts-expect-error a snapshot is read-only
  info.bytesIn = 0;
});
// @ts-expect-error the code is a number
tunnel.on('close', (info: { code: string }) => info);

// The methods of a tunnel.
expectTypeOf(tunnel.ticket({})).toEqualTypeOf<string | Promise<string>>();
const ticketOptions: TicketOptions = {
  user: 'ann',
  target: [{ port: 1 }],
  seconds: 30,
  session: 's',
  viewOnly: true,
};
void tunnel.ticket(ticketOptions);
// @ts-expect-error an object is needed
void tunnel.ticket();
// @ts-expect-error a ticket leads to hosts, not to a map of them
void tunnel.ticket({ target: { '/a': { port: 1 } } });
wstunnel({ tickets: 'require', session: (req) => req.headers.host });
// @ts-expect-error no such word
wstunnel({ tickets: 'always' });
expectTypeOf(tunnel.attach(createServer())).toEqualTypeOf<Tunnel>();
tunnel.attach(createTlsServer(), { path: ['/vnc', '/ssh'], exclusive: true });
tunnel.attach(createSecureServer()).attach(createHttp2Server());
// @ts-expect-error a TCP server gets no upgrades
tunnel.attach(createTcpServer());
// @ts-expect-error the name is path
tunnel.attach(createServer(), { paths: '/vnc' });
expectTypeOf(tunnel.end((one) => one.user === 'me', 1008, 'logged out')).toEqualTypeOf<number>();
expectTypeOf(tunnel.end({ user: 'me', tunnel: 'vnc' }, 1008, 'logged out')).toEqualTypeOf<
  Promise<EndResult>
>();
expectTypeOf(tunnel.tunnels({ address: '::1' })).toEqualTypeOf<TunnelInfo[]>();
tunnel.tunnels();
// @ts-expect-error the name is user
void tunnel.end({ name: 'me' });
// @ts-expect-error a filter is required
void tunnel.end();
expectTypeOf(tunnel.close({ timeout: 1, code: 1001, reason: 'restart' })).toEqualTypeOf<Promise<void>>();
const gently: CloseOptions = { grace: 3600, spread: 60 };
void tunnel.close(gently);
// @ts-expect-error the name is spread
void tunnel.close({ spreading: 60 });
// @ts-expect-error seconds are a number
void tunnel.close({ timeout: '1s' });
expectTypeOf(tunnel.draining).toEqualTypeOf<boolean>();
// @ts-expect-error draining is read-only: close() starts draining
tunnel.draining = true;
expectTypeOf(tunnel.metrics(tunnel, tunnel)).toEqualTypeOf<string>();
// @ts-expect-error a server is no tunnel
tunnel.metrics(createServer());
expressApp.use('/admin', tunnel.admin(), tunnel.admin(tunnel));
// @ts-expect-error a server is no tunnel
tunnel.admin(createServer());
expectTypeOf(tunnel.stats().backends).toEqualTypeOf<HostState[]>();
expectTypeOf(tunnel.stats().closed).toEqualTypeOf<Record<string, number>>();

// The end of the scope closes the tunnel.
export async function scoped(): Promise<void> {
  await using inner = wstunnel({ server: { port: 5900 } });
  expectTypeOf(inner).toEqualTypeOf<Tunnel>();
  expectTypeOf(inner).toExtend<AsyncDisposable>();
  await once(inner, 'close');
}

// The codes of errors are typed.
const error = new TunnelError('WSTUNNEL_NO_BACKEND', 'none is up', { cause: new Error() });
expectTypeOf(error).toExtend<Error>();
expectTypeOf(error.code).toEqualTypeOf<TunnelErrorCode>();
expectTypeOf(error.status).toEqualTypeOf<number>();
// @ts-expect-error this code does not exist
new TunnelError('ECONNREFUSED', 'none is up');
