import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { Request } from 'express';
import type { ServerOption } from 'express-wstunnel';
import { isLoopback } from './names.js';
import { desktopOf, missingForDesktops } from './spawned.js';

export const HELP = `A noVNC page behind a login, on express-wstunnel.

  npm run demo                              the embedded desktop
  npm run demo -- --vnc 5900                a real VNC server (or HOST:PORT)
  npm run demo -- --vnc /run/vnc.sock       one on a unix socket
  npm run demo -- --spawn                   a real desktop for each login (Xvnc)

  --host ADDRESS      where to listen (127.0.0.1)
  --port PORT         (8080, or the next free one; 0 takes any free one)
  --user NAME         (demo)
  --password TEXT     (a random one, printed at the start)
`;

export class UsageError extends Error {}

export interface Arguments {
  readonly host: string;
  /** Undefined for 8080, or one of the next ports. */
  readonly port: number | undefined;
  readonly username: string;
  readonly password: string;
  /** Is the password random? Then the demo must print it. */
  readonly isRandom: boolean;
  /** Undefined for the embedded desktop. */
  readonly vnc: ServerOption<Request> | undefined;
  readonly desktop: string;
}

/** In characters. A shorter password is allowed on loopback only. */
const LEAST_LENGTH = 8;

/** Returns undefined for --help. Throws a {@link UsageError}. */
export function readArguments(given: string[]): Arguments | undefined {
  const { values } = parseArgs({
    args: given,
    options: {
      vnc: { type: 'string' },
      spawn: { type: 'boolean', default: false },
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string' },
      user: { type: 'string', default: 'demo' },
      password: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { host, user: username, vnc, spawn } = values;
  const port = values.port === undefined ? undefined : readPort(values.port, 0);
  const password = values.password ?? makePassword();
  if (password === '')
    throw new UsageError(
      '--password must not be empty: give a text, or leave the option out for a random password.',
    );
  if (password.length < LEAST_LENGTH && !isLoopback(host))
    throw new UsageError(
      `Other machines can reach ${host}: give a --password of at least ${LEAST_LENGTH} characters, or none for a random one.`,
    );
  if (spawn && vnc !== undefined)
    throw new UsageError('--vnc and --spawn exclude each other: give one of them.');
  const missing = spawn ? missingForDesktops() : undefined;
  if (missing !== undefined) throw new UsageError(missing);
  return {
    host,
    port,
    username,
    password,
    isRandom: values.password === undefined,
    ...(spawn ? { vnc: desktopOf, desktop: 'your own desktop' } : desktopAt(vnc)),
  };
}

function desktopAt(text: string | undefined): Pick<Arguments, 'vnc' | 'desktop'> {
  if (text === undefined) return { vnc: undefined, desktop: 'embedded desktop' };
  const vnc = readTarget(text);
  return { vnc, desktop: 'socket' in vnc ? vnc.socket : `${shownHost(vnc.host)}:${vnc.port}` };
}

/** As in a URL. */
export function shownHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** `5900`, `host:5900`, `[::1]:5900` or the path of a unix socket. */
export function readTarget(text: string): { host: string; port: number } | { socket: string } {
  if (text.startsWith('/')) return { socket: text };
  const match = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d+)$/.exec(text);
  if (!match)
    throw new UsageError(
      `"${text}" is not a VNC server: give a port, host:port or the path of a unix socket.`,
    );
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port: readPort(match[3] ?? '', 1) };
}

/** More than 59 bits, in characters that look different from each other, since people type the password on phones. */
export function makePassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  const group = () => Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join('');
  return [group(), group(), group()].join('-');
}

function readPort(text: string, least: number): number {
  const port = Number(text);
  if (text === '' || !Number.isInteger(port) || port < least || port > 65535)
    throw new UsageError(`"${text}" is not a port: give a number from ${least} to 65535.`);
  return port;
}
