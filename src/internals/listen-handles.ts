// The internals of node:net that share a listening socket with a child process. No other file uses these internals.
// spec/unit/internals/internals.spec.ts notices changes by Node.
import type { ChildProcess, SendHandle, Serializable } from 'node:child_process';
import net, { type Server } from 'node:net';
import { getSystemErrorMap } from 'node:util';

/** A bound socket that this process owns without accepting connections. */
export interface ListenHandle {
  close(): void;
}

/** Where to bind: a numeric address with its port, the path of a unix socket, or a descriptor that is a socket already. */
export type BoundTo =
  | {
      readonly address: string;
      readonly port: number;
      readonly ipv6Only: boolean;
      readonly reusePort: boolean;
    }
  | { readonly path: string }
  | { readonly fd: number };

/** libuv's flags of `uv_tcp_bind`. */
const UV_TCP_IPV6ONLY = 1;
const UV_TCP_REUSEPORT = 2;

type CreateHandle = (
  address: string | null,
  port: number | null,
  addressType: number | null,
  fd?: number,
  flags?: number,
) => ListenHandle | number;

/**
 * Binds a socket without listening, as node:cluster does in its primary process for `SCHED_NONE`.
 *
 * Calls `net._createServerHandle` (https://github.com/nodejs/node/blob/v24.0.0/lib/net.js, `createServerHandle`; used by
 * lib/internal/cluster/shared_handle.js). A public `server.listen()` would accept the connections of the children. Test: "a child
 * accepts the connections of a socket that its parent has bound".
 *
 * @throws a system error with `code`
 */
export function openListenHandle(to: BoundTo): ListenHandle {
  const { _createServerHandle: create } = net as { _createServerHandle?: CreateHandle };
  if (!create) throw new Error('this version of Node does not share sockets with child processes');
  const handle =
    'fd' in to ? create(null, null, null, to.fd) : 'path' in to ? create(to.path, -1, -1) : bind(create, to);
  if (typeof handle !== 'number') return handle;
  const [code = 'UNKNOWN', text = 'unknown error'] = getSystemErrorMap().get(handle) ?? [];
  throw Object.assign(new Error(text), { code });
}

function bind(
  create: CreateHandle,
  { address, port, ipv6Only, reusePort }: Extract<BoundTo, { address: string }>,
): ListenHandle | number {
  const flags = (ipv6Only ? UV_TCP_IPV6ONLY : 0) | (reusePort ? UV_TCP_REUSEPORT : 0);
  return create(address, port, address.includes(':') ? 6 : 4, undefined, flags);
}

/**
 * Sends a socket to a child process, which gets the handle as the second argument of `message`. The parent keeps the handle as well.
 *
 * `child.send` is documented for servers and sockets; a bare handle is its internal type `net.Native`
 * (https://github.com/nodejs/node/blob/v24.0.0/lib/internal/child_process.js, `handleConversion`).
 */
export function sendListenHandle(child: ChildProcess, message: Serializable, handle: ListenHandle): void {
  child.send(message, handle as unknown as SendHandle, { keepOpen: true }, () => undefined);
}

/** Listens on a handle from {@link sendListenHandle}: `server.listen` accepts an object with the member `_handle`. */
export function listenOnHandle(server: Server, handle: unknown): void {
  server.listen({ _handle: handle } as object);
}

/** Does Node set SO_REUSEPORT, with which the kernel spreads connections over several sockets of one port? (Node 22.12, 23.1; Linux.) */
export function hasReusePort(version = process.versions.node, platform: string = process.platform): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return (
    platform === 'linux' && (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12))
  );
}
