import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Request } from 'express';
import type { Host } from 'express-wstunnel';

/** Seconds for which a desktop waits for somebody who reloads the page. */
const WAITS = 60;

// Xvnc prints the number of its display.
const XVNC =
  'Xvnc -displayfd 1 -rfbunixpath "$1" -rfbport -1 -SecurityTypes None -desktop "$2" -geometry 1280x800';
const WITH_TERMINAL = `${XVNC} -terminate | { read -r number && DISPLAY=":$number" exec xterm -fa Monospace -fs 12; }`;
const BARE = `exec ${XVNC}`;

/** What is missing for desktops of that kind: the line that installs it. */
export function missingForDesktops(): string | undefined {
  return has('Xvnc') ? undefined : 'Xvnc is not there: apt-get install tigervnc-standalone-server xterm';
}

/** A desktop for each login: another `login` makes it another program. */
export function desktopOf({ session: { user = '', login } }: Request): Host | undefined {
  if (login === undefined) return undefined;
  return {
    spawn: {
      path: '/bin/sh',
      args: ['-c', has('xterm') ? WITH_TERMINAL : BARE, 'desktop', '{socket}', `desktop of ${user}`],
      environment: { DEMO_LOGIN: login },
      maxProcs: 1,
      maxLoadPerProc: 0,
      idleTimeout: WAITS,
    },
  };
}

function has(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
