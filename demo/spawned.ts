import type { Request } from 'express';
import type { Host } from 'express-wstunnel';
import { isInstalled } from './programs.js';

/** Seconds without a viewer after which a desktop ends. Reloading the page must not end the desktop. */
const IDLE_SECONDS = 60;

// Xvnc prints the number of its display.
const XVNC =
  'Xvnc -displayfd 1 -rfbunixpath "$1" -rfbport -1 -SecurityTypes None -desktop "$2" -geometry 1280x800';
const WITH_TERMINAL = `${XVNC} -terminate | { read -r number && DISPLAY=":$number" exec xterm -fa Monospace -fs 12; }`;
const BARE = `exec ${XVNC}`;

/** A message for the user if Xvnc is missing. */
export function missingForDesktops(): string | undefined {
  return isInstalled('Xvnc')
    ? undefined
    : 'Xvnc is missing: apt-get install tigervnc-standalone-server xterm';
}

/** A desktop for each login: a different `login` makes a different program. */
export function desktopOf({ session: { user = '', login } }: Request): Host | undefined {
  if (login === undefined) return undefined;
  return {
    spawn: {
      path: '/bin/sh',
      args: ['-c', isInstalled('xterm') ? WITH_TERMINAL : BARE, 'desktop', '{socket}', `desktop of ${user}`],
      environment: { DEMO_LOGIN: login },
      maxProcs: 1,
      maxLoadPerProc: 0,
      idleTimeout: IDLE_SECONDS,
    },
  };
}
