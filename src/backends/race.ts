import dns, { type LookupAddress } from 'node:dns';
import net, { isIP, type LookupFunction, type Socket } from 'node:net';
import { orAborted, type AbortState } from '../helpers/abort.js';
import { ignoreErrors } from '../streams/ignore-errors.js';

/** Milliseconds between the starts of two attempts: RFC 8305 section 8, "Connection Attempt Delay". */
const ATTEMPT_DELAY = 250;

/** Limit of the addresses tried for one name: an answer of the name server must not open sockets without limit. */
const MAX_ADDRESSES = 32;

/** A host name to connect to, and the time for all of its addresses. */
export interface NamedDestination {
  readonly host: string;
  /** Seconds for all addresses together. The caller aborts the signal after this time. */
  readonly timeout: number;
  readonly lookup?: LookupFunction | undefined;
  readonly localAddress?: string | undefined;
}

/**
 * Connects to the address of a name that accepts first ("Happy Eyeballs", RFC 8305 section 5). Node's `autoSelectFamily` abandons
 * an attempt when the next attempt starts, so a slow but working address is lost. Here earlier attempts continue. After the first
 * success all other attempts are destroyed; when the signal aborts, all attempts are destroyed.
 *
 * `connect` creates a socket for one address. Rejects with the error of the only address, with an AggregateError of all
 * addresses, or with the signal's reason.
 */
export async function connectToFirst(
  destination: NamedDestination,
  signal: AbortState,
  connect: (address: string) => Socket,
): Promise<Socket> {
  const addresses = alternating(await addressesOf(destination, signal)).slice(0, MAX_ADDRESSES);
  return race(addresses, delayOf(destination.timeout, addresses), signal, connect);
}

/**
 * A `lookup` for HTTP agents that connect on their own (the agents for proxies): resolves a name to the address that accepts
 * first. A name with several addresses costs one extra connection, closed at once.
 */
export function lookupFirst(timeout: number, signal: AbortState, port: number): LookupFunction {
  return (host, options, done) => {
    const answer = (address: string) => {
      if (options.all === true) done(null, [{ address, family: isIP(address) }]);
      else done(null, address, isIP(address));
    };
    const find = async () => {
      const addresses = alternating(await addressesOf({ host, timeout }, signal)).slice(0, MAX_ADDRESSES);
      const [only] = addresses;
      if (addresses.length === 1 && only !== undefined) return only;
      const tried = new Map<Socket, string>();
      const probe = (address: string) => {
        const socket = net.connect({ host: address, port });
        tried.set(socket, address);
        return socket;
      };
      const winner = await race(addresses, delayOf(timeout, addresses), signal, probe);
      winner.destroy();
      return tried.get(winner) ?? '';
    };
    find().then(answer, (error: unknown) => done(error as Error, []));
  };
}

/** Milliseconds between the starts of two attempts, short enough to try each address before the time is over. */
function delayOf(timeout: number, addresses: readonly string[]): number {
  return Math.min(ATTEMPT_DELAY, (timeout * 1000) / addresses.length);
}

async function addressesOf(
  { host, lookup = dns.lookup, localAddress = '' }: NamedDestination,
  signal: AbortState,
): Promise<readonly LookupAddress[]> {
  // From an IPv4 address only IPv4 addresses can be reached, and from an IPv6 address only IPv6 addresses.
  const family = isIP(localAddress);
  const found = await orAborted(
    signal,
    () =>
      new Promise<readonly LookupAddress[]>((resolve, reject) =>
        lookup(host, { all: true, family, hints: 0 }, (error, address, given) => {
          if (error) reject(error);
          // Some lookup functions ignore `all`.
          else if (typeof address === 'string') resolve([{ address, family: given ?? isIP(address) }]);
          else resolve(address);
        }),
      ),
  );
  const usable = found.filter(
    ({ address }) => isIP(address) !== 0 && (family === 0 || isIP(address) === family),
  );
  if (usable.length === 0)
    throw new Error(`the name ${host} has no ${family === 0 ? '' : `IPv${family} `}address`);
  return usable;
}

/** IPv4 and IPv6 in turn, beginning with the family of the first address (RFC 8305 section 4). */
function alternating(addresses: readonly LookupAddress[]): string[] {
  const all = addresses.map(({ address }) => address);
  const first = all.filter((address) => isIP(address) === isIP(all[0] ?? ''));
  const others = all.filter((address) => !first.includes(address));
  const longer = first.length > others.length ? first : others;
  return longer.flatMap((_, turn) => [...first.slice(turn, turn + 1), ...others.slice(turn, turn + 1)]);
}

function race(
  addresses: readonly string[],
  delay: number,
  signal: AbortState,
  connect: (address: string) => Socket,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const untried = [...addresses];
    const running = new Map<Socket, () => void>();
    const errors: Error[] = [];
    let timer: NodeJS.Timeout | undefined;
    const settle = (winner: Socket | undefined, act: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      for (const [socket, stopListening] of running) {
        stopListening();
        if (socket !== winner) socket.destroy();
      }
      running.clear();
      act();
    };
    const onAbort = () => settle(undefined, () => reject(signal.reason));
    const onFailure = (error: Error) => {
      errors.push(error);
      if (untried.length > 0) startNext();
      else if (running.size === 0) settle(undefined, () => reject(errorOf(errors)));
    };
    const startNext = () => {
      clearTimeout(timer);
      const address = untried.shift();
      if (address === undefined) return;
      let socket: Socket;
      try {
        socket = ignoreErrors(connect(address));
      } catch (error) {
        onFailure(error as Error);
        return;
      }
      const stopListening = () => {
        socket.off('connect', onConnect);
        socket.off('close', onClose);
      };
      const onConnect = () => settle(socket, () => resolve(socket));
      const onClose = () => {
        stopListening();
        running.delete(socket);
        onFailure(
          socket.errored ?? new Error(`the connection to ${address} was closed before it was established`),
        );
      };
      socket.on('connect', onConnect);
      // An `error` event is always followed by `close`.
      socket.on('close', onClose);
      running.set(socket, stopListening);
      if (untried.length > 0) timer = setTimeout(startNext, delay);
    };
    if (signal.aborted) onAbort();
    else {
      signal.addEventListener('abort', onAbort);
      startNext();
    }
  });
}

/** The same form as the error of Node's `autoSelectFamily`: the code of the first error, and all errors in `errors`. */
function errorOf(errors: readonly Error[]): Error {
  const [only] = errors;
  if (errors.length === 1 && only) return only;
  const { code } = (only ?? {}) as NodeJS.ErrnoException;
  return Object.assign(new AggregateError(errors), code !== undefined && { code });
}
