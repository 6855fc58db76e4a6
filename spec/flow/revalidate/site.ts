import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { expect } from 'vitest';
import type { ClosedInfo, Tunnel, TunnelOptions } from '../../../src/index.js';
import { closeFrame, frame, pageRequest, RawClient, requestTunnel } from '../../support/raw-client.js';
import { makeTunnel, startEcho, startHttp } from '../../support/servers.js';

declare module 'express-session' {
  interface SessionData {
    name?: string;
  }
}

/** A request as a middleware sees it. */
export interface Marked extends IncomingMessage {
  wstunnelCheck?: boolean;
  session?: { name?: string };
}

/** Seconds between two checks. */
export const EVERY = 0.1;

export async function echoTunnel(options: Partial<TunnelOptions> = {}): Promise<Tunnel> {
  const { port } = await startEcho();
  return makeTunnel({ server: { port }, revalidate: EVERY, closeTimeout: 1, ...options });
}

/** The next `close` event of the tunnel. */
export async function closed(tunnel: Tunnel): Promise<ClosedInfo> {
  return (await once(tunnel, 'close'))[0] as ClosedInfo;
}

export async function open(
  port: number,
  headers: Record<string, string> = {},
  path = '/tunnel',
): Promise<RawClient> {
  const client = requestTunnel(port, path, headers);
  expect((await client.answer()).status).toBe(101);
  return client;
}

/** Tunnels that look different to the app, so that each is checked by itself. */
export async function openSeveral(port: number, count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, (_, at) => open(port, {}, `/tunnel?number=${at}`)));
}

/** The cookies that a page sets, as a Cookie header. */
export async function cookiesOf(target: number | Socket, path: string, cookie?: string): Promise<string> {
  const client = new RawClient(target);
  client.send(pageRequest(path, { Cookie: cookie }));
  const { status, headers } = await client.answer();
  expect(status).toBe(200);
  const set = (headers['set-cookie'] ?? '').split(/, (?=[\w.-]+=)/);
  return set.map((one) => one.split(';')[0]).join('; ');
}

/** Answers the Close of the tunnel. Returns its code and reason. */
export async function closeOf(client: RawClient): Promise<string> {
  for (;;) {
    const next = await client.frame();
    if (!next) return 'no Close';
    if (next.opcode !== 8) continue;
    client.send(closeFrame(next.payload.readUInt16BE()));
    client.socket.end();
    return `${next.payload.readUInt16BE()} ${next.payload.subarray(2).toString()}`;
  }
}

export async function expectOpen(client: RawClient): Promise<void> {
  client.send(frame(2, 'still here'));
  expect((await client.payload(10)).toString()).toBe('still here');
}

/** A tunnel behind a middleware that sees each check, in a plain http server. */
export async function startBehind(
  answer: (req: Marked, res: ServerResponse, reach: () => void) => void,
  options = {},
) {
  const tunnel = await echoTunnel(options);
  const checks: { req: Marked; res: ServerResponse }[] = [];
  const site = await startHttp((req: Marked, res) => {
    const reach = () => tunnel(req, res, () => res.writeHead(404).end());
    if (!req.wstunnelCheck) {
      reach();
      return;
    }
    checks.push({ req, res });
    answer(req, res, reach);
  });
  tunnel.attach(site.server, { path: '/tunnel' });
  return { ...site, tunnel, checks };
}
