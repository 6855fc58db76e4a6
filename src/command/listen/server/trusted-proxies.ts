import { compileAddresses, isListed, normalizeAddress } from '../../../request/address.js';
import { CommandError, EXIT } from '../../exit.js';

/** The peer of a unix socket, which has no address, in a list of `--trust-proxy`. */
const UNIX = 'unix';

/** Express's names for ranges, in its `trust proxy`. */
const RANGES: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/** Express's `trust proxy fn`. */
type Trusts = (address: string | undefined, hop: number) => boolean;

/** What is used of an Express app. */
interface TrustingApp {
  set(setting: string, value: unknown): unknown;
  get(setting: string): unknown;
}

/** Does `--trust-proxy` name the peers of unix sockets, or count hops from any peer? */
export function trustsUnix(value: unknown): boolean {
  return typeof value === 'number' ? value > 0 : (entriesOf(value)?.includes(UNIX) ?? false);
}

/** Sets Express's `trust proxy`, with `unix` as one more name. @throws {CommandError} for what is no such list. */
export function setTrust(app: TrustingApp, value: unknown): void {
  try {
    // Express would read the text "1" as the address 0.0.0.1.
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
 * Which peers may send a PROXY header: else anybody would write the address that `--allow`, limits and logs go by. Without
 * `--trust-proxy` loopback and unix sockets, which only this machine reaches.
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

/** A list, or Express's text with commas; undefined for what is neither. */
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
