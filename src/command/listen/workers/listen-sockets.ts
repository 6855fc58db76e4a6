import { createServer, type AddressInfo } from 'node:net';
import {
  hasReusePort,
  openListenHandle,
  type BoundTo,
  type ListenHandle,
} from '../../../internals/listen-handles.js';
import { listenPathFault, PORTABLE_SOCKET_PATH } from '../../../sockets/socket-path.js';
import { listenAtPath } from '../../../sockets/stale-socket.js';
import { untilListening } from '../../../sockets/until-listening.js';
import type { BindAddress } from '../../command-line/bind-and-target.js';
import type { Plan, UnixAccess } from '../plan.js';
import { requirePassedSocket } from '../server/passed-socket.js';
import { listenFailure } from '../server/listen-on.js';
import { bindWithAccess } from '../server/unix-access.js';

/** The sockets of one listen address: one for each worker, or one for all. */
type BoundAddress = readonly ListenHandle[];

/**
 * The listening sockets of all workers. The supervisor binds the sockets, and keeps them open until the end: connections in the
 * queue of a socket outlive a worker, and a replacement needs no root.
 *
 * With SO_REUSEPORT each worker has a socket of its own, and the kernel chooses the socket of a connection. Otherwise (unix sockets,
 * passed sockets, Node 20) all workers accept from one socket.
 */
export class ListenSockets {
  readonly #all: readonly BoundAddress[];

  private constructor(all: readonly BoundAddress[]) {
    this.#all = all;
  }

  /** @throws {CommandError} if an address can't be bound; no socket is left open then */
  static async open(
    { listen, unix = {} }: Pick<Plan, 'listen' | 'unix'>,
    workers: number,
  ): Promise<ListenSockets> {
    const all: BoundAddress[] = [];
    try {
      for (const address of listen) all.push(await bound(address, unix, workers));
    } catch (error) {
      new ListenSockets(all).close();
      throw error;
    }
    return new ListenSockets(all);
  }

  /** The socket of a worker (counted from 1) for each address. */
  of(worker: number): readonly ListenHandle[] {
    return this.#all.flatMap((handles) => handles[worker - 1] ?? handles[0] ?? []);
  }

  /** The sockets that belong to the worker alone, with the index of their address. */
  own(worker: number): readonly { readonly index: number; readonly handle: ListenHandle }[] {
    return this.#all.flatMap((handles, index) => {
      const handle = handles.length > 1 ? handles[worker - 1] : undefined;
      return handle ? [{ index, handle }] : [];
    });
  }

  /**
   * Closes the sockets that belong to the worker alone. The kernel then gives its connections to the other workers.
   */
  closeOwn(worker: number): void {
    for (const { handle } of this.own(worker)) handle.close();
  }

  close(): void {
    for (const handles of this.#all) for (const handle of handles) handle.close();
  }
}

async function bound(address: BindAddress, unix: UnixAccess, workers: number): Promise<BoundAddress> {
  try {
    const { fd, socket } = address;
    if (fd !== undefined) return [passed(fd)];
    if (socket !== undefined) return [await boundToPath(socket, unix)];
    return await boundToPort(address, workers);
  } catch (error) {
    throw listenFailure(address, error);
  }
}

function passed(fd: number): ListenHandle {
  requirePassedSocket(fd, process.env);
  return openListenHandle({ fd });
}

async function boundToPath(path: string, unix: UnixAccess): Promise<ListenHandle> {
  const fault = listenPathFault(path, PORTABLE_SOCKET_PATH);
  if (fault !== undefined) throw new Error(fault);
  let handle: ListenHandle | undefined;
  await listenAtPath(path, async () => {
    bindWithAccess(path, unix, () => {
      handle = openListenHandle({ path });
      return true;
    });
    return Promise.resolve();
  });
  if (!handle) throw new Error('it could not be bound');
  return handle;
}

/**
 * First listens for a moment without SO_REUSEPORT: otherwise a port that another command uses with SO_REUSEPORT would be shared without an
 * error. This also looks up the name, and replaces port 0 by a free port.
 */
async function boundToPort(address: BindAddress, workers: number): Promise<BoundAddress> {
  const { port = 0, host, ipv6Only = false } = address;
  const probe = createServer((socket) => socket.destroy());
  await untilListening(probe, () => probe.listen({ port, host, ipv6Only }));
  const real = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const reusePort = workers > 1 && hasReusePort();
  const to: BoundTo = { address: real.address, port: real.port, ipv6Only, reusePort };
  return Array.from({ length: reusePort ? workers : 1 }, () => openListenHandle(to));
}
