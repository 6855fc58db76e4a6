import { createPrivateKey, randomInt, X509Certificate } from 'node:crypto';
import { accessSync, constants, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { createSecureContext } from 'node:tls';
import { parseArgs } from 'node:util';
import { isLoopback } from './names.js';
import { NOVNC, PUBLIC, XTERM } from './pages.js';
import { isInstalled } from './programs.js';
import { ADMINISTRATOR, TRAINEE } from './roles.js';
import type { Certificate } from './server.js';
import { desktopOf, missingForDesktops } from './spawned.js';

export const HELP = `A noVNC page behind a login, on express-wstunnel.

  npm run demo                              the embedded desktop
  npm run demo -- --vnc 5900                a real VNC server (or HOST:PORT)
  npm run demo -- --vnc /run/vnc.sock       one on a unix socket
  npm run demo -- --spawn                   a real desktop for each login (Xvnc)
  npm run demo -- --terminal                also a shell in the browser, which runs as you
  npm run demo -- --replicas 2              two processes that share their state over Redis
  npm run demo -- --record recordings       record every desktop; admin plays the recordings

  --host ADDRESS      where to listen (127.0.0.1)
  --port PORT         (8080, or the next free one; 0 takes any free one)
  --user NAME         (demo)
  --password TEXT     (a random one, printed at the start)
  --admin-password TEXT
                      of the user admin, who sees the open tunnels and the recordings,
                      and changes roles (a random one, printed at the start)
  --trainee-password TEXT
                      of the user trainee, who watches the desktop and can't type
                      (a random one, printed at the start)
  --vnc-password-file FILE
                      the password of the VNC server of --vnc, which the pages never get;
                      also the variable VNC_PASSWORD
  --input-idle SECONDS
                      without a key or pointer event, until a desktop is closed (600; 0 never)
  --record FOLDER     record every desktop into the folder
  --cert FILE         serve https and HTTP/2 with this certificate, in PEM form
  --key FILE          the private key, unless the certificate's file contains it
`;

export class UsageError extends Error {}

/** A VNC server. */
export type Target = { host: string; port: number } | { socket: string };

export interface Arguments {
  readonly host: string;
  /** Undefined for 8080, or one of the next ports. */
  readonly port: number | undefined;
  readonly username: string;
  readonly password: string;
  /** Is the password random? Then the demo must print it. */
  readonly isRandom: boolean;
  readonly adminPassword: string;
  readonly isAdminRandom: boolean;
  readonly traineePassword: string;
  readonly isTraineeRandom: boolean;
  /** The password of the server of --vnc. Undefined: the page asks the user. */
  readonly vncPassword: string | undefined;
  /** Seconds; 0: never. */
  readonly inputIdle: number;
  readonly terminal: boolean;
  /** The folder of the recordings. Undefined: nothing is recorded. */
  readonly record: string | undefined;
  /** Undefined for the embedded desktop. */
  readonly vnc: Target | typeof desktopOf | undefined;
  readonly desktop: string;
  /** The certificate and the private key for https. Undefined: http. */
  readonly tls: Certificate | undefined;
  /** The number of processes. */
  readonly replicas: number;
}

/** In characters. A shorter password is allowed on loopback only. */
const LEAST_LENGTH = 8;

/** A demo with more processes would show nothing new. */
const MAX_REPLICAS = 8;

/** The most seconds without input: a day. */
const MAX_IDLE = 86_400;

/** VNC authentication has no longer passwords; VeNCrypt's may have 255 bytes. */
const MAX_VNC_PASSWORD = 255;

/** Returns undefined for --help. Throws a {@link UsageError}. */
export function readArguments(given: string[]): Arguments | undefined {
  const { values } = parseArgs({
    args: given,
    options: {
      vnc: { type: 'string' },
      spawn: { type: 'boolean', default: false },
      replicas: { type: 'string', default: '1' },
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string' },
      user: { type: 'string', default: 'demo' },
      password: { type: 'string' },
      'admin-password': { type: 'string' },
      'trainee-password': { type: 'string' },
      'vnc-password-file': { type: 'string' },
      'input-idle': { type: 'string', default: '600' },
      terminal: { type: 'boolean', default: false },
      record: { type: 'string' },
      cert: { type: 'string' },
      key: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { host, user: username, vnc, spawn } = values;
  const port = values.port === undefined ? undefined : readPort(values.port, 0);
  if (username === ADMINISTRATOR || username === TRAINEE)
    throw new UsageError(`--user ${username}: another account has this name, choose another one.`);
  const password = readPassword('--password', values.password, host);
  const adminPassword = readPassword('--admin-password', values['admin-password'], host);
  const traineePassword = readPassword('--trainee-password', values['trainee-password'], host);
  if (spawn && vnc !== undefined)
    throw new UsageError('--vnc and --spawn exclude each other: give one of them.');
  const replicas = readReplicas(values.replicas);
  if (spawn && replicas > 1)
    throw new UsageError(
      '--spawn and --replicas exclude each other: each process would start its own desktop.',
    );
  if (values.terminal) refuseTerminal(host, replicas);
  const tls = readCertificate(values.cert, values.key);
  if (tls && replicas > 1)
    throw new UsageError('--cert and --replicas exclude each other: the balancer forwards plain http only.');
  const missing = spawn ? missingForDesktops() : replicas > 1 ? missingForReplicas() : undefined;
  if (missing !== undefined) throw new UsageError(missing);
  return {
    host,
    port,
    username,
    password,
    isRandom: values.password === undefined,
    adminPassword,
    isAdminRandom: values['admin-password'] === undefined,
    traineePassword,
    isTraineeRandom: values['trainee-password'] === undefined,
    vncPassword: readVncPassword(vnc, values['vnc-password-file']),
    inputIdle: readSeconds('--input-idle', values['input-idle']),
    terminal: values.terminal,
    record: values.record === undefined ? undefined : readFolder(values.record),
    replicas,
    tls,
    ...(spawn ? { vnc: desktopOf, desktop: 'your own desktop' } : desktopAt(vnc)),
  };
}

function readPassword(option: string, given: string | undefined, host: string): string {
  if (given === '')
    throw new UsageError(
      `${option} must not be empty: give a text, or leave the option out for a random password.`,
    );
  if (given !== undefined && given.length < LEAST_LENGTH && !isLoopback(host))
    throw new UsageError(
      `Other machines can reach ${host}: give ${/^--a/.test(option) ? 'an' : 'a'} ${option} of at least ${LEAST_LENGTH} characters, or none for a random one.`,
    );
  return given ?? makePassword();
}

/** From the file, or from the variable VNC_PASSWORD, which other users of the machine can't read, unlike arguments. */
function readVncPassword(vnc: string | undefined, file: string | undefined): string | undefined {
  if (vnc === undefined) {
    if (file === undefined) return undefined;
    throw new UsageError('--vnc-password-file is the password of a VNC server: give --vnc too.');
  }
  const source = file === undefined ? 'VNC_PASSWORD' : `--vnc-password-file "${file}"`;
  const password = file === undefined ? process.env.VNC_PASSWORD : readFirstLine(file);
  if (password === undefined) return undefined;
  if (password === '' || Buffer.byteLength(password) > MAX_VNC_PASSWORD)
    throw new UsageError(`${source}: give a password of 1 to ${MAX_VNC_PASSWORD} bytes.`);
  return password;
}

function readFirstLine(file: string): string {
  return read('--vnc-password-file', file).split(/\r?\n/)[0] ?? '';
}

function read(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(
      `${option} "${file}": the demo cannot read the file (${(error as Error).message}): give the path of a readable file.`,
    );
  }
}

/** Reads the files, and checks that the key belongs to the certificate. */
function readCertificate(certFile: string | undefined, keyFile: string | undefined): Arguments['tls'] {
  if (certFile === undefined) {
    if (keyFile === undefined) return undefined;
    throw new UsageError(`--key "${keyFile}" needs a certificate: give --cert too.`);
  }
  const cert = read('--cert', certFile);
  const key = keyFile === undefined ? cert : read('--key', keyFile);
  const certificate = parsed(
    () => {
      createSecureContext({ cert });
      return new X509Certificate(cert);
    },
    `--cert "${certFile}" is not a certificate in PEM form`,
    'give a file with "-----BEGIN CERTIFICATE-----"',
  );
  const isInCert = keyFile === undefined;
  const privateKey = parsed(
    () => createPrivateKey(key),
    isInCert
      ? `--cert "${certFile}" has no private key in PEM form`
      : `--key "${keyFile}" is not a private key in PEM form without a passphrase`,
    isInCert ? 'give --key too' : 'give a file with "-----BEGIN PRIVATE KEY-----"',
  );
  if (!certificate.checkPrivateKey(privateKey))
    throw new UsageError(
      isInCert
        ? `--cert "${certFile}": the private key in the file belongs to another certificate: give the key of the first certificate with --key.`
        : `--key "${keyFile}" belongs to another certificate than --cert "${certFile}": give the key of the first certificate in "${certFile}".`,
    );
  return { cert, key };
}

function parsed<T>(parse: () => T, what: string, way: string): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(`${what} (${(error as Error).message}): ${way}.`);
  }
}

/** A shell is more than a desktop: never on the network, and never in several processes, of which one has the shell. */
function refuseTerminal(host: string, replicas: number): void {
  if (!isLoopback(host))
    throw new UsageError(
      `--terminal is a shell that runs as you, and other machines can reach ${host}: leave out --host or --terminal.`,
    );
  if (replicas > 1)
    throw new UsageError('--terminal and --replicas exclude each other: the shell belongs to one process.');
}

/** Creates the folder if it does not exist, for this user only. The demo serves some folders to everybody. */
function readFolder(text: string): string {
  if (text === '') throw new UsageError('--record must not be empty: give the path of a folder.');
  refuseServed(resolve(text), text);
  try {
    mkdirSync(text, { recursive: true, mode: 0o700 });
    accessSync(text, constants.W_OK | constants.X_OK);
    const folder = realpathSync(text);
    refuseServed(folder, text);
    return folder;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(
      `--record: the demo cannot write to the folder "${text}": ${(error as Error).message}`,
    );
  }
}

function refuseServed(folder: string, text: string): void {
  const isServed = [PUBLIC, NOVNC, XTERM].some((served) =>
    `${folder}${sep}`.startsWith(`${realpathSync(served)}${sep}`),
  );
  if (isServed)
    throw new UsageError(`--record: the demo serves "${text}" to everybody, choose another folder.`);
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
export function readTarget(text: string): Target {
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

function readReplicas(text: string): number {
  const replicas = Number(text);
  if (text === '' || !Number.isInteger(replicas) || replicas < 1 || replicas > MAX_REPLICAS)
    throw new UsageError(`"${text}" is not a number of processes: give a number from 1 to ${MAX_REPLICAS}.`);
  return replicas;
}

function readSeconds(option: string, text: string): number {
  const seconds = Number(text);
  if (text === '' || !Number.isFinite(seconds) || seconds < 0 || seconds > MAX_IDLE)
    throw new UsageError(`${option} "${text}": give a number of seconds from 0 to ${MAX_IDLE}.`);
  return seconds;
}

function missingForReplicas(): string | undefined {
  return isInstalled('redis-server')
    ? undefined
    : 'redis-server is missing, which --replicas needs: apt-get install redis-server';
}

function readPort(text: string, least: number): number {
  const port = Number(text);
  if (text === '' || !Number.isInteger(port) || port < least || port > 65535)
    throw new UsageError(`"${text}" is not a port: give a number from ${least} to 65535.`);
  return port;
}
