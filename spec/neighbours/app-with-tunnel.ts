import express, { type ErrorRequestHandler, type Request, type RequestHandler } from 'express';
import type { TunnelOptions } from '../../src/index.js';
import { requestTunnel } from '../support/raw-client.js';
import { makeTunnel, startEcho, startHttp } from '../support/servers.js';

interface More extends Partial<TunnelOptions<Request>> {
  /** Default: Express 5. */
  make?: typeof express;
  /** Middleware after the tunnel. */
  behind?: (RequestHandler | ErrorRequestHandler)[];
}

/** An app with a tunnel to an echo at `/tunnel`, and middleware before and after the tunnel. */
export async function startBehind(before: RequestHandler[], more: More = {}) {
  const { make = express, behind = [], ...options } = more;
  const { port: backend, sockets } = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend }, ...options } as TunnelOptions);
  const app = make();
  app.set('env', 'test');
  for (const one of before) app.use(one);
  app.use('/tunnel', tunnel);
  for (const one of behind) app.use(one);
  return { ...(await startHttp(app)), app, tunnel, sockets };
}

/** The answer to an upgrade request, with the whole body except after a 101. */
export async function answerTo(port: number, path = '/tunnel', headers = {}) {
  const client = requestTunnel(port, path, headers);
  const answer = await client.answer();
  return { ...answer, client, body: answer.status === 101 ? Buffer.alloc(0) : await client.rest() };
}
