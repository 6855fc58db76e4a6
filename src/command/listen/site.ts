import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { messageOf, TunnelError } from '../../errors.js';
import { queryOf } from '../../helpers/path.js';
import type { Next, Tunnel } from '../../types.js';
import { wstunnel } from '../../wstunnel.js';
import { isLoopback } from '../address.js';
import { CommandError, complaintOf, EXIT } from '../exit.js';
import { checkFolder } from '../files.js';
import { readAccounts } from './accounts.js';
import { requireLogin } from './login.js';
import { isLocalOrigin } from './origins.js';
import type { Plan, Tunnelling } from './plan.js';
import { Tokens } from './tokens.js';

/** The app of one reading of the settings. Tunnels stay with the one that opened them. */
export interface Site {
  readonly app: RequestListener;
  readonly tunnel: Tunnel;
}

/** Checks all that the plan names; a {@link CommandError} says what is wrong, and nothing is left behind. */
export async function makeSite(plan: Plan, warn: (line: string) => void): Promise<Site> {
  const { web, trustProxy } = plan;
  const express = await loadExpress();
  const app = express();
  app.disable('x-powered-by');
  if (trustProxy !== undefined) setTrust(trustProxy, () => app.set('trust proxy', trustProxy));
  app.use((_req, res, next) => {
    res.setHeader('X-Content-Type-Options', 'nosniff');
    next();
  });
  if (plan.auth.length > 0) app.use(requireLogin(readAccounts(plan.auth, warn)));
  if (web) checkFolder(web.folder);
  // The last step that can fail: from then on programs may run.
  const tunnel = makeTunnel(plan, warn);
  app.use(tunnel);
  if (web) app.use(express.static(web.folder, { index: web.index.length > 0 ? [...web.index] : false }));
  app.use((_req, res) => sendText(res, 404, 'There is nothing here.\n'));
  // Express knows a handler of errors by its four parameters.
  app.use((error: unknown, _req: IncomingMessage, res: ServerResponse, next: Next) => {
    const { status = 500 } = error as { status?: number };
    if (res.headersSent) next(error);
    else sendText(res, status, status < 500 ? `${messageOf(error)}\n` : 'Something went wrong.\n');
  });
  return { app, tunnel };
}

/** Is no tunnel of it open, nor on its way? */
export function isIdle({ tunnel }: Site): boolean {
  const { open, opening } = tunnel.stats();
  return !(open > 0 || opening > 0);
}

/** By hand: the server's listener is a function that leads to the present site. Every path is the tunnel's to ask for. */
export function bind({ tunnel }: Site, server: Server): void {
  tunnel.attach(server, { path: '/', exclusive: true });
}

async function loadExpress() {
  try {
    return (await import('express')).default;
  } catch (error) {
    throw new CommandError(EXIT.config, 'Express is missing: npm install express', { cause: error });
  }
}

function makeTunnel(
  { tunnel, tokens: file, listen, isLighttpd }: Plan,
  warn: (line: string) => void,
): Tunnel {
  const tokens = file === undefined ? undefined : new Tokens(file, warn);
  const ports = listen.filter(({ socket }) => socket === undefined);
  const isHere = !isLighttpd && ports.length > 0 && ports.every(isLoopback);
  const options: Tunnelling = {
    ...(isHere && { origins: isLocalOrigin }),
    ...tunnel,
    ...(tokens && {
      server: (req: IncomingMessage) => tokens.find(new URLSearchParams(queryOf(req)).get('token')),
    }),
  };
  try {
    return wstunnel({ ...options, autoAttach: false });
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    throw new CommandError(EXIT.config, complaintOf(error), { cause: error });
  }
}

function setTrust(value: unknown, set: () => void): void {
  try {
    // Express would read the text "1" as the address 0.0.0.1.
    const texts = [value].flat().filter((one) => typeof one === 'string');
    const count = texts.find((one) => /^\d+$/.test(one.trim()));
    if (count !== undefined) throw new TypeError(`invalid IP address: ${count}`);
    set();
  } catch (error) {
    throw new CommandError(
      EXIT.usage,
      `--trust-proxy lists addresses and ranges, or "loopback": ${messageOf(error)}`,
    );
  }
}

function sendText(res: ServerResponse, status: number, text: string): void {
  res.statusCode = status;
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.end(text);
}
