import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HOMES } from './homes.js';

/**
 * Variables that programs under test read, with values that differ between developers. A test sets the variables that it needs.
 */
const DEVELOPERS_OWN = [
  // Proxies, and variables of the command and the client.
  /^(https?|all|no|ftp)_proxy$/i,
  /^(WSTUNNEL_(USER|BEARER|COOKIE)|DEBUG|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|SSL_CERT_\w+|OPENSSL_CONF|SSLKEYLOGFILE)$/,
  // Shells, terminals and locales.
  /^(ENV|BASH_\w+|ZDOTDIR|SHELL|PS[0-4]|PROMPT_COMMAND|CDPATH|IFS|HISTFILE|TERM\w*|COLORTERM|COLUMNS|LINES|TMUX\w*|STY)$/,
  /^(LC_\w+|LANG|LANGUAGE|TZ|NO_COLOR|FORCE_COLOR|EDITOR|VISUAL|PAGER)$/,
  // The desktop in use, and variables of other programs.
  /^(DISPLAY|WAYLAND_\w+|XAUTHORITY|XDG_\w+|DBUS_\w+|VNC_\w+|GDK_\w+|GTK_\w+)$/,
  /^(SSH_\w+|GIT_\w+|PG[A-Z]+|REDIS\w*|PYTHON\w*|LISTEN_(FDS|PID|FDNAMES)|NOTIFY_SOCKET)$/,
];

/** The developer's environment, for npm alone, which needs the machine's registry, proxy and cache. */
export const DEVELOPERS: Readonly<NodeJS.ProcessEnv> = { ...process.env };

/** Gives every developer the same environment, with an empty home folder for this worker. */
export function useOwnEnvironment(): void {
  for (const name of Object.keys(process.env))
    if (DEVELOPERS_OWN.some((pattern) => pattern.test(name))) Reflect.deleteProperty(process.env, name);
  const home = mkdtempSync(join(process.env[HOMES] ?? tmpdir(), 'home-'));
  Object.assign(process.env, { HOME: home, SHELL: '/bin/sh', TERM: 'dumb', LANG: 'C.UTF-8', TZ: 'UTC' });
}
