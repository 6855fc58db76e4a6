import { once } from 'node:events';
import { request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { Express } from 'express';
import type {
  AdminTunnel,
  AdminBackend,
  AdminProgram,
  AdminRefusal,
  AdminReplica,
  AdminTotals,
} from '../../src/admin/admin-state.js';
import type { TunnelOptions } from '../../src/index.js';
import { onCleanup } from './cleanup.js';
import { makeTunnel, startApp, startEcho } from './servers.js';

export interface AdminAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** The object of `GET /state`. */
export interface ShownState {
  readonly time: number;
  readonly replica: string | null;
  readonly draining: boolean;
  readonly replicas?: readonly AdminReplica[];
  readonly totals: AdminTotals;
  readonly matching: number;
  readonly tunnels: readonly AdminTunnel[];
  readonly refusals: readonly AdminRefusal[];
  readonly backends: readonly AdminBackend[];
  readonly programs: readonly AdminProgram[];
}

interface AskOptions {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

/** One request on a connection of its own; any header can be set. */
export async function askAdmin(port: number, path: string, options: AskOptions = {}): Promise<AdminAnswer> {
  const res = await answerOf(port, path, options);
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return { status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks).toString() };
}

async function answerOf(port: number, path: string, { method, headers, body }: AskOptions) {
  const req = request({ port, path, method: method ?? 'GET', headers: headers ?? {}, agent: false });
  req.on('error', () => undefined);
  onCleanup(() => void req.destroy());
  req.end(body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return res;
}

export async function stateAt(port: number, query = '', path = '/admin'): Promise<ShownState> {
  const { status, body } = await askAdmin(port, `${path}/state${query}`);
  if (status !== 200) throw new Error(`${status} ${body}`);
  return JSON.parse(body) as ShownState;
}

/** `POST /end` as a script sends it. */
export async function endAt(
  port: number,
  body: unknown,
  headers: OutgoingHttpHeaders = {},
  path = '/admin/end',
): Promise<{ status: number; answer: unknown }> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const all = { 'Content-Type': 'application/json', ...headers };
  const got = await askAdmin(port, path, { method: 'POST', headers: all, body: text });
  return { status: got.status, answer: got.body === '' ? undefined : (JSON.parse(got.body) as unknown) };
}

/** An event stream. `events` are the states so far. */
export async function openEvents(port: number, path = '/admin/events', headers: OutgoingHttpHeaders = {}) {
  const res = await answerOf(port, path, { headers });
  const events: ShownState[] = [];
  const stream = { status: res.statusCode, headers: res.headers, events, text: '', isEnded: false, res };
  res.setEncoding('utf8');
  res.on('data', (chunk: string) => {
    stream.text += chunk;
    events.length = 0;
    for (const [, data = ''] of stream.text.matchAll(/^event: state\ndata: ([^\n]*)\n\n/gm))
      events.push(JSON.parse(data) as ShownState);
  });
  res.on('end', () => (stream.isEnded = true));
  res.on('error', () => undefined);
  return stream;
}

/** An app with a tunnel at `/tunnel`, its page at `/admin`, and the middleware of `build` in front. */
export async function startAdmin(
  options: Partial<TunnelOptions> = {},
  build: (app: Express) => void = () => undefined,
) {
  const backend = options.server === undefined ? await startEcho() : undefined;
  const tunnel = makeTunnel({ server: { port: backend?.port ?? 1 }, closeTimeout: 2, ...options });
  const site = await startApp((app) => {
    build(app);
    app.use('/tunnel', tunnel).use('/admin', tunnel.admin());
  });
  return { ...site, tunnel, backend };
}
