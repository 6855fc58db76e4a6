import express, { Router, type Request } from 'express';
import { wstunnel, type Tunnel } from 'express-wstunnel';
import { loginOf, requireRole } from '../login.js';
import { PUBLIC, XTERM } from '../pages.js';
import type { Accounts } from '../roles.js';
import { isSize, PtyStream, type Size } from './pty-stream.js';
import { Shells, type ShellsOptions } from './shells.js';

export interface Terminal {
  readonly tunnel: Tunnel<Request>;
  /** The page and the tunnel, for all but trainees. */
  readonly router: Router;
  /** A login has ended: its shell ends. */
  end(login: string, reason: string): void;
  /** An account may have no shell any more: the shells of all its logins end, also those that only tmux keeps. */
  endAll(account: string, reason: string): void;
  close(): Promise<void>;
}

/** Seconds between two checks of the login and the role of an open terminal, as of an open desktop. */
const REVALIDATE = 3;
const LIMITS = { total: 20, perUser: 4 };
const DEFAULT_SIZE: Size = { cols: 80, rows: 24 };

/** A shell in the browser: `/` is the page, `/socket` is the tunnel. */
export function startTerminal(accounts: Accounts, options: ShellsOptions): Terminal {
  const shells = new Shells(options);
  const tunnel = wstunnel<Request>({
    name: 'terminal',
    url: /^\/socket/,
    server: (req) => shells.open(loginOf(req) ?? '', sizeOf(req)),
    user: loginOf,
    revalidate: REVALIDATE,
    refuseWith: 'close',
    limits: LIMITS,
    // Text messages are sizes, and never reach the shell.
    control: (message, _tunnel, backend) => {
      if (backend instanceof PtyStream) backend.control(message);
    },
  });

  const router = Router();
  router.use('/xterm', express.static(XTERM, { index: false }));
  router.use(requireRole(accounts, ['operator', 'administrator'], 'no-terminal.html'));
  router.use(tunnel);
  router.get('/', (_req, res) => {
    res.set('Cache-Control', 'no-store').sendFile('terminal.html', { root: PUBLIC });
  });
  router.get('/info', (_req, res) => {
    res.set('Cache-Control', 'no-store').json({ isKept: shells.isKept });
  });
  // A shell ends with its login, also if the session ended without a logout.
  tunnel.on('close', ({ cause, user }) => {
    if (user !== undefined && cause === 'login-ended') void shells.end(user);
  });
  const end = (login: string, reason: string) => {
    void tunnel.end({ user: login }, 1008, reason);
    void shells.end(login);
  };
  return {
    tunnel,
    router,
    end,
    endAll: (account, reason) => {
      for (const login of shells.loginsOf(account)) end(login, reason);
    },
    close: async () => {
      await tunnel.close({ timeout: 2 });
      await shells.close();
    },
  };
}

/** The size in the query of the page, so that the first line of the shell is drawn for the right width. */
function sizeOf({ query }: Request): Size {
  const size = { cols: Number(query.cols), rows: Number(query.rows) };
  return isSize(size) ? size : DEFAULT_SIZE;
}
