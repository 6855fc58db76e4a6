import { cut, onOneLine } from '../../../helpers/one-line.js';
import type { BackendInfo, ClosedInfo, RefuseInfo, Tunnel, TunnelInfo } from '../../../types.js';
import { bytes } from '../../output/units.js';
import type { RepeatLimiter, Repeats } from './repeats.js';

/**
 * The longest value of each field, in characters; a longer value is cut and ends with "…". Clients choose the URL, the close reason
 * and (before a login) their name. The lengths, listed in the README, keep a line of JSON below 8 KiB.
 */
export const MAX_FIELD_LENGTH: Readonly<Record<string, number>> = {
  url: 512,
  user: 128,
  reason: 256,
  address: 64,
  backend: 256,
  id: 256,
  origin: 256,
  failure: 256,
};

/** Where the events of a tunnel are written. */
interface EventOutputs {
  /** A line for people. */
  readonly print: (line: string, kind: 'tunnel' | 'failure') => void;
  /** An event for `--log`. */
  readonly write: (event: string, info: object) => void;
  readonly refusals: RepeatLimiter;
}

/** Writes each event of a tunnel object, as a line for people and as JSON for programs. */
export function logEvents(tunnel: Tunnel, { print, write, refusals }: EventOutputs): void {
  const printLine = (line: string, kind: 'tunnel' | 'failure') => print(String(onOneLine(line)), kind);
  tunnel.on('open', (given) => {
    const info = shortened(given);
    write('open', info);
    printLine(openLine(info), 'tunnel');
  });
  tunnel.on('close', (given) => {
    const info = shortened(given);
    write('close', info);
    printLine(closeLine(info), 'tunnel');
  });
  tunnel.on('refuse', (given) => {
    if (!refusals.passes(given)) return;
    const info = shortened(given);
    write('refuse', info);
    printLine(refuseLine(info), 'failure');
  });
  tunnel.on('backend', (given) => {
    const info = shortened(given);
    write('backend', info);
    printLine(backendLine(info), 'failure');
  });
}

/** One line for people about refusals that were only counted. */
export function repeatsLine({ address, count, seconds, status, code }: Repeats): string {
  return `refuse  ${address}: ${count} more in ${seconds} s, the last one ${status} ${code}`;
}

function shortened<Info extends object>(info: Info): Info {
  const entries = Object.entries(info).map(([name, value]: [string, unknown]) => {
    const most = MAX_FIELD_LENGTH[name];
    return [name, typeof value === 'string' && most !== undefined ? cut(value, most) : value];
  });
  return Object.fromEntries(entries) as Info;
}

function clientOf({ address, user }: { address: string; user?: string }): string {
  return `${user === undefined ? '' : `${user}@`}${address || 'a local client'}`;
}

function openLine(info: TunnelInfo): string {
  return `open    ${clientOf(info)} ${info.url} -> ${info.backend}`;
}

function closeLine(info: ClosedInfo): string {
  const why = `${info.code}${info.reason === '' ? '' : ` ${info.reason}`}`;
  const amount = `${bytes(info.bytesIn)} in, ${bytes(info.bytesOut)} out`;
  return `close   ${clientOf(info)} ${info.url} -> ${info.backend}: ${why}; ${amount}, ${info.duration.toFixed(1)} s (${info.cause})`;
}

function refuseLine(info: RefuseInfo): string {
  const { backend, failure } = info;
  const of = backend === undefined ? '' : `; ${backend}${failure === undefined ? '' : `: ${failure}`}`;
  return `refuse  ${clientOf(info)} ${info.url}: ${info.status} ${info.reason}${of}`;
}

function backendLine({ id, up, reason = '' }: BackendInfo): string {
  return `backend ${id} is ${up ? 'up' : `down: ${reason}`}`;
}
