import { compileAddresses, isListed, normalizeAddress } from '../../../request/client-address.js';
import { CommandError, EXIT } from '../../exit.js';

/** The entry of `--trust-proxy` for peers of unix sockets, which have no address. */
const UNIX = 'unix';

/** Express's names for ranges. */
const RANGES: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/** Express's `trust proxy fn`. */
type Trusts = (address: string | undefined, hop: number) => boolean;

/** The methods of an Express app that this module calls. */
interface TrustingApp {
  set(setting: string, value: unknown): unknown;
  get(setting: string): unknown;
}

/** Does `--trust-proxy` trust peers of unix sockets, by name or by a number of hops? */
export function trustsUnix(value: unknown): boolean {
  return typeof value === 'number' ? value > 0 : (entriesOf(value)?.includes(UNIX) ?? false);
}

/** Sets Express's `trust proxy`, with the additional name `unix`. @throws {CommandError} for an invalid list */
export function setTrust(app: TrustingApp, value: unknown): void {
  try {
    // Express reads the text "1" as the address 0.0.0.1.
    const count = entriesOf(value)?.find((one) => /^\d+$/.test(one));
    if (count !== undefined) throw new TypeError(`invalid IP address: ${count}`);
    const hasUnix = typeof value !== 'number' && trustsUnix(value);
    app.set('trust proxy', hasUnix ? entriesOf(value)?.filter((one) => one !== UNIX) : value);
    if (!hasUnix) return;
    const trusts = app.get('trust proxy fn') as Trusts;
    const withUnix: Trusts = (address, hop) => (address === undefined ? hop === 0 : trusts(address, hop));
    app.set('trust proxy', withUnix);
  } catch (error) {
    throw failureOf(error);
  }
}

/**
 * Returns a check whether a peer may send a PROXY header. Without the check, any client could forge the address for `--allow`,
 * limits and logs. Default without `--trust-proxy`: loopback and unix sockets, which only this machine can reach.
 */
export function proxyPeers(value: unknown): (address: string | undefined) => boolean {
  const entries = value === undefined ? ['loopback', UNIX] : entriesOf(value);
  try {
    if (!entries || entries.length === 0) throw new TypeError('--accept-proxy needs addresses');
    const ranges = entries.filter((one) => one !== UNIX).flatMap((one) => RANGES[one] ?? one);
    const list = compileAddresses(ranges);
    const hasUnix = entries.includes(UNIX);
    return (address) => (address === undefined ? hasUnix : isListed(normalizeAddress(address), list, false));
  } catch (error) {
    throw failureOf(error);
  }
}

/** The entries of a list, or of Express's comma-separated text; undefined for any other value. */
function entriesOf(value: unknown): string[] | undefined {
  const list: unknown[] | undefined = Array.isArray(value)
    ? value
    : typeof value === 'string'
      ? value.split(',')
      : undefined;
  if (!list?.every((one) => typeof one === 'string')) return undefined;
  return list.map((one) => one.trim());
}

function failureOf(error: unknown): CommandError {
  const what = error instanceof Error ? error.message : String(error);
  return new CommandError(
    EXIT.usage,
    `--trust-proxy must list addresses, ranges, "loopback" or "unix": ${what}`,
  );
}
