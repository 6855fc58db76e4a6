import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Response } from 'express';
import { plainMessageOf, messageOf, TunnelError } from '../../../errors.js';
import type { Next, Tunnel } from '../../../types.js';
import { checkOf } from '../../../upgrade/check/check-on-request.js';
import { mayLackHeaders } from '../../../upgrade/opening-handshake.js';
import type { LocalState } from '../../../shared/local-state.js';
import { createTunnel, retire } from '../../../wstunnel.js';
import { CommandError, EXIT } from '../../exit.js';
import { requireFolder } from '../../files.js';
import { readAccounts } from '../login/accounts.js';
import { certificateNames } from '../server/certificate.js';
import { frameHeaders } from './frame-headers.js';
import { refuseByAccess, serveByConf } from './lighttpd-pages.js';
import { LoginCookie } from '../login/login-cookie.js';
import { LOGIN_CODES, type LoginEvents } from '../login/login-events.js';
import type { LoginMemory } from '../login/login-memory.js';
import { requireLogin } from '../login/require-login.js';
import { ServerNames } from '../origins/server-names.js';
import { sameNamedOrigin } from '../origins/named-origin.js';
import { foldersOf, isDocumentRoot, type Plan, type MiddlewareOptions } from '../plan.js';
import { requireNovnc } from './novnc/folder.js';
import { pageSettings } from './novnc/page-settings.js';
import { serveNovnc } from './novnc/pages.js';
import { hidePrivateFiles, privateFilesOf, type ServedFolder } from './private-files.js';
import { openTokens, type OpenTokens } from '../tokens/open-tokens.js';
import type { Recorders } from './recorders.js';
import type { RefusedOrigins } from '../origins/refused-origins.js';
import { setTrust } from '../server/trusted-proxies.js';

/** The Express app and the tunnel object from one reading of the settings. A tunnel stays with the site that opened it. */
export interface Site {
  readonly app: RequestListener;
  readonly tunnel: Tunnel;
  /** For a site without further requests: see `retire` in wstunnel.ts. */
  retire(): ReturnType<typeof retire>;
  /** Closes the connections to the stores of tokens. */
  release?(): void;
}

/** The state that outlives a reload. */
interface ProcessState {
  /** Counts for limits, hosts that are down, and running programs. */
  readonly state: () => LocalState;
  readonly logins: LoginMemory;
  readonly origins: RefusedOrigins;
  readonly loginEvents: Pick<LoginEvents, 'note'>;
  readonly recorders: Recorders;
}

/**
 * Makes a site, and checks all files of the plan. Awaits `beforeTunnels` after every file is read and before any program of `spawn`
 * may run.
 *
 * @throws {CommandError} for an invalid setting or file; nothing is left running then
 */
export async function makeSite(
  plan: Plan,
  { state, logins, origins, loginEvents, recorders }: ProcessState,
  warn: (line: string) => void,
  beforeTunnels: () => Promise<void> = () => Promise.resolve(),
): Promise<Site> {
  const { web, pages, trustProxy, acceptProxy } = plan;
  const express = await loadExpress();
  const app = express();
  app.disable('x-powered-by');
  // With PROXY headers, `trustProxy` lists the peers that send such headers: the client's X-Forwarded-For must not be trusted as well.
  if (trustProxy !== undefined && !acceptProxy) setTrust(app, trustProxy);
  const headers = Object.entries({ 'X-Content-Type-Options': 'nosniff', ...pageHeaders(plan) });
  app.use((_req, res, next) => {
    for (const [name, value] of headers) res.setHeader(name, value);
    next();
  });
  // A client could push a proxy's X-Forwarded-For out of the request, and log in, fail or be let in under the proxy's address.
  app.use((req, res, next) => {
    if (mayLackHeaders(req)) sendText(res, 431, 'Too many headers.\n');
    else next();
  });
  if (pages?.refuses) app.use(refuseByAccess(pages));
  if (plan.auth.length > 0) app.use(makeLogin(plan, warn, logins, loginEvents));
  for (const { folder } of foldersOf(plan)) requireFolder(folder);
  requireNovnc(plan);
  const known = new ServerNames(plan.names, plan.tls && certificateNames(plan.tls));
  const tokens = plan.tokens && (await openTokens(plan.tokens, warn));
  let tunnel: Tunnel;
  try {
    await beforeTunnels();
    // The last check that can fail: programs may run after this point.
    const record = recorders.recorderOf(plan);
    tunnel = makeTunnel(plan, known, tokens, state(), origins, record);
  } catch (error) {
    tokens?.close();
    throw error;
  }
  tunnel.on('refuse', (info) => origins.note(info, plan.isLighttpd));
  if (tokens) app.use(recheckToken(tokens));
  app.use(tunnel);
  const served = (folder: string, index: readonly string[]): ServedFolder => ({
    folder,
    index,
    secrets: privateFilesOf(plan),
    followsLinks: plan.isLighttpd,
  });
  const serve = (folder: string, index: readonly string[]) => {
    const hide = hidePrivateFiles(served(folder, index));
    const files = express.static(folder, { index: index.length > 0 ? [...index] : false });
    // One handler for checking and serving, since a request may choose among several folders.
    return (req: IncomingMessage, res: ServerResponse, next: Next) => {
      const send = (error?: unknown) => {
        if (error === undefined) void files(req, res as Response, next);
        else next(error);
      };
      hide(req, res, send).catch(next);
    };
  };
  // `--web` wins over the configuration.
  if (pages && (!web || isDocumentRoot(web))) app.use(serveByConf(pages, serve));
  else if (web) {
    if (!isDocumentRoot(web)) app.use(serveNovnc(served(web.folder, web.index), pageSettings(plan)));
    app.use(serve(web.folder, web.index));
  }
  app.use((_req, res) => sendText(res, 404, 'Not found.\n'));
  // Express recognises an error handler by its four parameters.
  app.use((error: unknown, _req: IncomingMessage, res: ServerResponse, next: Next) => {
    const { status = 500 } = error as { status?: number };
    if (res.headersSent) next(error);
    else sendText(res, status, status < 500 ? `${messageOf(error)}\n` : 'Something went wrong.\n');
  });
  return { app, tunnel, retire: () => retire(tunnel), release: () => tokens?.close() };
}

/** Attaches the tunnel to a server explicitly, since the server's listener is not the app. The tunnel gets the upgrades of every path. */
export function attachSite({ tunnel }: Site, server: Server): void {
  tunnel.attach(server, { path: '/', exclusive: true });
}

async function loadExpress() {
  try {
    return (await import('express')).default;
  } catch (error) {
    throw new CommandError(EXIT.config, 'Express is missing: npm install express', { cause: error });
  }
}

/** @throws {CommandError} for an invalid list of proxies */
export async function checkTrustProxy(trustProxy: unknown): Promise<void> {
  const express = await loadExpress();
  setTrust(express(), trustProxy);
}

function makeLogin(
  { auth, listen }: Plan,
  warn: (line: string) => void,
  memory: LoginMemory,
  events: Pick<LoginEvents, 'note'>,
) {
  const accounts = readAccounts(auth, warn, { memory });
  const socket = listen.find((address) => address.socket !== undefined)?.socket;
  const cookie = new LoginCookie(memory.cookieKey, accounts, socket);
  return requireLogin(accounts, cookie, ({ address, name, status, verdict }) => {
    const isKnown = accounts.markOf(name) !== undefined;
    events.note({ address, status, code: LOGIN_CODES[verdict], ...(isKnown && { user: name }) });
  });
}

/** No headers by default for a lighttpd.conf, since lighttpd adds none. */
function pageHeaders({ frame, isLighttpd }: Plan): Readonly<Record<string, string>> {
  return {
    ...(!(isLighttpd && frame.length === 0) && frameHeaders(frame)),
    // The query of a page may contain a token.
    ...(!isLighttpd && { 'Referrer-Policy': 'no-referrer' }),
  };
}

function makeTunnel(
  { tunnel, isLighttpd }: Plan,
  known: ServerNames,
  tokens: OpenTokens | undefined,
  state: LocalState,
  refused: RefusedOrigins,
  record: MiddlewareOptions['record'],
): Tunnel {
  const options: MiddlewareOptions = {
    // As in lighttpd, only `wstunnel.origins` limits the pages that may connect.
    ...(!isLighttpd && {
      origins: sameNamedOrigin(known, (origin, way) => refused.report(origin, way)),
    }),
    ...tunnel,
    ...(tokens && { server: tokens.server }),
    ...(record && { record }),
  };
  try {
    return createTunnel({ ...options, autoAttach: false }, state);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    throw new CommandError(EXIT.config, plainMessageOf(error), { cause: error });
  }
}

/** A tunnel ends with its token. The middleware itself chooses no target for the check of an open tunnel (`revalidate`). */
function recheckToken(tokens: OpenTokens) {
  return (req: IncomingMessage, res: ServerResponse, next: Next): void => {
    if (!checkOf(req)) {
      next();
      return;
    }
    const checking = new AbortController();
    res.on('close', () => checking.abort());
    tokens.isValid(req, checking.signal).then((isValid) => {
      if (isValid === true) next();
      else if (isValid === false) sendText(res, 404, 'Not found.\n');
      else sendText(res, 503, 'The tokens can not be read.\n');
    }, next);
  };
}

function sendText(res: ServerResponse, status: number, text: string): void {
  res.statusCode = status;
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.end(text);
}
