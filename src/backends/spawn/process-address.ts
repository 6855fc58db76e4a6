import type { Fill, ResolvedHost } from '../host.js';

/** The listen address of one process. */
export interface ProcessAddress {
  readonly socket?: string;
  readonly host?: string;
  readonly port?: number;
}

/**
 * The address of process `number` of a host, numbered as in lighttpd: the host's port plus the number, or the path of the host's
 * socket with the number appended. A host without an address gets `privateSocket`.
 */
export function processAddressOf(
  { socket, host = '127.0.0.1', port }: ResolvedHost,
  number: number,
  privateSocket: string,
): ProcessAddress {
  if (port !== undefined) return { host, port: port + number };
  if (socket === undefined) return { socket: privateSocket };
  return { socket: number === 0 ? socket : `${socket}-${number}` };
}

const PLACEHOLDER = /\{(socket|host|port)\}/g;

/** The texts of a program that may contain placeholders. */
interface ProgramTexts {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Replaces the placeholders in a program's arguments and environment with the program's address. */
export function fillPlaceholders(
  { args, environment, fill }: ProgramTexts & { fill: Fill },
  address: ProcessAddress,
): ProgramTexts {
  const { socket, host, port } = address;
  const known: Readonly<Record<string, string | undefined>> = { socket, host, port: port?.toString() };
  let isDone = fill === 'none';
  const fillText = (text: string) => {
    if (isDone) return text;
    const filled = text.replace(PLACEHOLDER, (whole, name: string) => known[name] ?? whole);
    isDone = fill === 'first' && text.includes(socket === undefined ? '{port}' : '{socket}');
    return filled;
  };
  // The order matters: a text after the first placeholder may be a user name.
  const filledArgs = args.map(fillText);
  const entries = Object.entries(environment).map(([name, value]) => [name, fillText(value)] as const);
  return { args: filledArgs, environment: Object.fromEntries(entries) };
}

/** The environment of a process. The app's environment may contain secrets, so only the requested variables are copied. */
export function processEnvironment(
  copied: readonly string[],
  own: Readonly<Record<string, string>>,
  address: ProcessAddress,
): Record<string, string> {
  const all: Record<string, string> = {};
  for (const name of copied) {
    const value = process.env[name];
    if (value !== undefined) all[name] = value;
  }
  Object.assign(all, own);
  for (const [name, value] of Object.entries(address) as [string, string | number][])
    all[`WSTUNNEL_${name.toUpperCase()}`] = String(value);
  return all;
}
