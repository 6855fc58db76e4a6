import { createHook } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { onCleanup } from './cleanup.js';

/** The sockets that this process opens from now on, including the tests' own. */
export function watchDials(onDial: (socket: Socket) => void = () => undefined): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  const seen = (message: unknown) => {
    const { socket } = message as { socket: Socket };
    sockets.add(socket);
    onDial(socket);
  };
  subscribe('net.client.socket', seen);
  onCleanup(() => unsubscribe('net.client.socket', seen));
  return sockets;
}

/** Number of sockets and of their pending operations. */
export function descriptors(): number {
  return process.getActiveResourcesInfo().filter((type) => /^(TCP|Pipe|Write|Shutdown)/.test(type)).length;
}

/** Returns a function: how many of the middleware's timers since then are still set. */
export function watchTimers(): () => number {
  const set = new Set<number>();
  const hook = createHook({
    init: (id, type) => {
      if (/^(Timeout|Immediate)$/.test(type) && new Error().stack?.includes('/src/')) set.add(id);
    },
    destroy: (id) => set.delete(id),
  }).enable();
  onCleanup(() => hook.disable());
  return () => set.size;
}

/** Collects warnings, uncaught exceptions and unhandled rejections; a test expects none. */
export function watchComplaints(): readonly unknown[] {
  const heard: unknown[] = [];
  const hear = (complaint: unknown) => heard.push(complaint);
  const events = ['unhandledRejection', 'uncaughtExceptionMonitor', 'warning'] as const;
  for (const event of events) process.on(event, hear);
  onCleanup(() => {
    for (const event of events) process.off(event, hear);
  });
  return heard;
}

/** Watches a new socket: the returned function lists listeners that were added since and not removed. */
export function watchListeners(socket: Socket): () => string[] {
  const atFirst = new Set(listenersOf(socket).map(([, listener]) => listener));
  return () =>
    listenersOf(socket)
      .filter(([name, listener]) => name !== 'error' && !atFirst.has(listener))
      .map(([name, listener]) => `${name}: ${listener.name}`)
      // Node's own listener, left when a response loses its client.
      .filter((left) => left !== 'close: onServerResponseClose');
}

function listenersOf(socket: Socket): [string, { name: string }][] {
  return socket
    .eventNames()
    .flatMap((name) =>
      socket.listeners(name).map((listener): [string, { name: string }] => [String(name), listener]),
    );
}
