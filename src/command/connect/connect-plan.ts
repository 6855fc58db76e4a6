import type { ConnectionOptions } from 'node:tls';
import type { ConnectOptions, ListenOptions, LocalAddress } from '../../client/client-types.js';
import { hideLogin } from '../../helpers/hide-login.js';
import { requireListenAddress } from '../command-line/bind-and-target.js';
import { usageError, type Args } from '../command-line/args.js';
import { readFirstLine, readTextFile } from '../files.js';
import type { Io } from '../process/io.js';
import { readAuthorities, readKeyPair } from '../pem.js';
import type { CONNECT_FLAGS } from './connect-flags.js';

/** Default of `--linger`, in seconds: long enough for an answer over a slow line, short enough not to delay the end of each ssh session. */
export const DEFAULT_LINGER = 1;

/** Upper limit of `--linger`: a day, in seconds. */
const MAX_LINGER = 86_400;

export type ConnectArgs = Args<typeof CONNECT_FLAGS>;

/** The settings of `connect`. */
export interface ConnectPlan {
  readonly url: string;
  /** The local address. Default: standard input and output. */
  readonly local?: LocalAddress;
  /** For standard input and output: idle seconds between the end of the input and the Close; Infinity waits for the server's Close. */
  readonly linger?: number;
  /** The program to run while the local port listens, with its arguments. */
  readonly program?: readonly string[];
  readonly options: ListenOptions;
}

/** Reads the command line, its files and the environment. @throws {CommandError} */
export function readConnectPlan(
  args: ConnectArgs,
  { environment }: Pick<Io, 'environment'>,
  warn: (line: string) => void,
  program?: readonly string[],
): ConnectPlan {
  const [url, ...more] = args.positionals;
  if (url === undefined) throw usageError('give a URL, such as wss://desk.example.com/vnc');
  if (more.length > 0) throw usageError(`give only one URL; unexpected "${hideLogin(more.join(' '))}"`);
  const isLocal = args.has('local');
  if (isLocal && args.has('stdio')) throw usageError('give either --local or --stdio, not both');
  if (args.has('retry') && !isLocal) throw usageError('--retry needs --local');
  checkMode(args, isLocal, program);
  const options: ListenOptions = {
    ...credentialsOf(args, environment),
    ...headersOf(args, environment),
    ...proxyOf(args),
    ...tlsOf(args, warn),
    ...(args.has('host-header') && { hostHeader: args.text('host-header') ?? '' }),
    ...(args.has('origin') && { origin: args.text('origin') ?? '' }),
    ...(args.has('subprotocol') && { subprotocol: args.list('subprotocol') }),
    ...secondsOf(args, 'timeout', 'connectTimeout'),
    ...secondsOf(args, 'retry', 'retryFor'),
    ...secondsOf(args, 'ping', 'pingInterval'),
    ...secondsOf(args, 'pong', 'pongTimeout'),
  };
  return {
    url,
    options,
    ...(isLocal ? { local: localOf(args.text('local') ?? '') } : { linger: lingerOf(args) }),
    ...(program && { program }),
  };
}

function checkMode(args: ConnectArgs, isLocal: boolean, program: readonly string[] | undefined): void {
  const ofStdio = (['linger', 'no-close'] as const).find((name) => args.has(name));
  if (isLocal && ofStdio !== undefined) throw usageError(`--${ofStdio} is for --stdio only`);
  if (args.has('linger') && args.has('no-close'))
    throw usageError('give either --linger or --no-close, not both');
  if (!isLocal && args.has('background')) throw usageError('--background needs --local');
  if (program === undefined) return;
  if (!isLocal) throw usageError('a program after -- needs --local, the port it connects to');
  if (program.length === 0) throw usageError('give a program after --, such as -- psql -h 127.0.0.1 -p 5433');
  if (args.has('background')) throw usageError('give either --background or a program after --, not both');
}

/** Seconds to linger. As in socat, the default is above 0. */
function lingerOf(args: ConnectArgs): number {
  if (args.has('no-close')) return Infinity;
  const { linger = DEFAULT_LINGER } = secondsOf(args, 'linger', 'linger') as { linger?: number };
  if (linger > MAX_LINGER)
    throw usageError(
      `--linger must be at most ${MAX_LINGER} seconds; --no-close waits until the server ends the tunnel`,
    );
  return linger;
}

function localOf(text: string): LocalAddress {
  const { socket, host = '', port = 0 } = requireListenAddress(text);
  return socket === undefined ? { host, port } : { path: socket };
}

/** Options win over environment variables, which may be meant for another server. */
function credentialsOf(args: ConnectArgs, environment: Io['environment']): ConnectOptions {
  const { WSTUNNEL_USER: user = '', WSTUNNEL_BEARER: bearer = '' } = environment;
  const isUser = args.has('user');
  if (isUser && args.has('bearer')) throw usageError('give either --user or --bearer, not both');
  if (isUser) return { basic: loginOf(args.text('user') ?? '') };
  const file = args.text('bearer');
  if (file !== undefined) return { bearer: readFirstLine(file, 'the token of --bearer') };
  if (user !== '' && bearer !== '')
    throw usageError('WSTUNNEL_USER and WSTUNNEL_BEARER are both set: set only one of them');
  if (user !== '') return { basic: splitLogin(user, 'WSTUNNEL_USER must be NAME:PASSWORD') };
  return bearer === '' ? {} : { bearer };
}

function loginOf(text: string): { username: string; password: string } {
  const { username, password: file } = splitLogin(
    text,
    '--user must be NAME:FILE, with the password in the file',
  );
  return { username, password: readFirstLine(file, 'the password of --user') };
}

/** Splits NAME:REST. The error does not contain the text, which may be a password. */
function splitLogin(text: string, must: string): { username: string; password: string } {
  const [, username = '', password = ''] = /^([^:]+):(.+)$/s.exec(text) ?? [];
  if (username === '') throw usageError(must);
  return { username, password };
}

function headersOf(args: ConnectArgs, { WSTUNNEL_COOKIE: cookie = '' }: Io['environment']): ConnectOptions {
  const headers: Record<string, string[]> = {};
  for (const line of linesOf(args.list('header'))) {
    const [, name = '', value = ''] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    // The message does not contain the line, which may be a secret.
    if (name === '') throw usageError('--header must be NAME:VALUE, or @FILE with such lines');
    if (name.toLowerCase() === 'host')
      throw usageError('the handshake sets the header "host": use --host-header');
    (headers[name.toLowerCase()] ??= []).push(value);
  }
  const given = linesOf(args.list('cookie'));
  const cookies = given.length === 0 && cookie !== '' ? [cookie] : given;
  return {
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(cookies.length > 0 && { cookies: cookies.join('; ') }),
  };
}

/** Replaces `@FILE` by the lines of the file, since every user of the machine can read a command line. */
function linesOf(values: readonly string[]): string[] {
  return values.flatMap((value) => {
    if (!value.startsWith('@')) return [value];
    const lines = readTextFile(value.slice(1)).split(/\r?\n/);
    return lines.filter((line) => line !== '');
  });
}

function proxyOf(args: ConnectArgs): ConnectOptions {
  const proxy = args.text('proxy');
  if (proxy !== undefined && args.has('direct'))
    throw usageError('give either --proxy or --direct, not both');
  return {
    ...(proxy !== undefined && { proxy }),
    ...(args.has('direct') && { proxy: false as const }),
    ...(args.has('forward') && { proxyMode: 'forward' as const }),
  };
}

function tlsOf(args: ConnectArgs, warn: (line: string) => void): ConnectOptions {
  const { ca, cert, key } = { ca: args.text('ca'), cert: args.text('cert'), key: args.text('key') };
  if (key !== undefined && cert === undefined) throw usageError('--key needs --cert');
  const tls: ConnectionOptions = {
    ...(ca !== undefined && { ca: readAuthorities(ca) }),
    ...(cert !== undefined && readKeyPair({ cert, ...(key !== undefined && { key }) }, warn)),
    ...(args.has('servername') && { servername: args.text('servername') ?? '' }),
    ...(args.has('insecure') && { rejectUnauthorized: false }),
  };
  return Object.keys(tls).length > 0 ? { tls } : {};
}

/** One option in seconds, as an option of the client. The client checks the range. */
function secondsOf(
  args: ConnectArgs,
  name: 'timeout' | 'retry' | 'ping' | 'pong' | 'linger',
  option: keyof ListenOptions | 'linger',
): object {
  const text = args.text(name);
  if (text === undefined) return {};
  if (!/^\d+(\.\d+)?$/.test(text))
    throw usageError(`--${name} must be a number of seconds, not "${hideLogin(text)}"`);
  return { [option]: Number(text) };
}
