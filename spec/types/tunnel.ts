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
  type HostState,
  type RefuseInfo,
  type Tunnel,
  type TunnelErrorCode,
  type TunnelInfo,
} from '../../src/index.mjs';

const tunnel = wstunnel({ server: { port: 5900 } });
expectTypeOf(tunnel).toEqualTypeOf<Tunnel>();
expectTypeOf(create).toEqualTypeOf(wstunnel);

// It is middleware, of Express and of plain http.
expectTypeOf(tunnel).toExtend<RequestHandler>();
createServer((req, res) => tunnel(req, res, () => res.end()));
// @ts-expect-error where to go on is needed
createServer((req, res) => tunnel(req, res));

// It is an emitter, and its events are typed.
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
expectTypeOf(tunnel.on('open', () => undefined)).toEqualTypeOf<Tunnel>();
void once(tunnel, 'close');
tunnel.on('open', (info) => {
  expectTypeOf(info).not.toHaveProperty('code');
  // @ts-expect-error a snapshot cannot be written to
  info.bytesIn = 0;
});
// @ts-expect-error the code is a number
tunnel.on('close', (info: { code: string }) => info);

// Its methods.
expectTypeOf(tunnel.attach(createServer())).toEqualTypeOf<Tunnel>();
tunnel.attach(createTlsServer(), { path: ['/vnc', '/ssh'], exclusive: true });
tunnel.attach(createSecureServer()).attach(createHttp2Server());
// @ts-expect-error upgrades come to an http server
tunnel.attach(createTcpServer());
// @ts-expect-error path is meant
tunnel.attach(createServer(), { paths: '/vnc' });
expectTypeOf(tunnel.end((one) => one.user === 'me', 1008, 'logged out')).toEqualTypeOf<number>();
// @ts-expect-error which ones?
tunnel.end();
expectTypeOf(tunnel.close({ timeout: 1, code: 1001, reason: 'restart' })).toEqualTypeOf<Promise<void>>();
// @ts-expect-error seconds are a number
void tunnel.close({ timeout: '1s' });
expectTypeOf(tunnel.draining).toEqualTypeOf<boolean>();
// @ts-expect-error close() drains
tunnel.draining = true;
expectTypeOf(tunnel.stats().backends).toEqualTypeOf<HostState[]>();
expectTypeOf(tunnel.stats().closed).toEqualTypeOf<Record<string, number>>();

// It goes with its scope.
export async function scoped(): Promise<void> {
  await using inner = wstunnel({ server: { port: 5900 } });
  expectTypeOf(inner).toEqualTypeOf<Tunnel>();
  expectTypeOf(inner).toExtend<AsyncDisposable>();
  await once(inner, 'close');
}

// Its errors are told by their code.
const error = new TunnelError('WSTUNNEL_NO_BACKEND', 'none is up', { cause: new Error() });
expectTypeOf(error).toExtend<Error>();
expectTypeOf(error.code).toEqualTypeOf<TunnelErrorCode>();
expectTypeOf(error.status).toEqualTypeOf<number>();
// @ts-expect-error no such code
new TunnelError('ECONNREFUSED', 'none is up');
