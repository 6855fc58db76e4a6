import type { Channel } from './channel.js';

/** Limit of messages that the other process has not read, for instance because it is stopped. Further messages are dropped. */
const MAX_QUEUED = 10_000;

/** A connected process: a child process, or `process` itself for the connection to the parent. */
interface Peer {
  readonly connected: boolean;
  send?(
    message: unknown,
    handle: undefined,
    options: undefined,
    done: (error: Error | null) => void,
  ): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  off(event: 'message', listener: (message: unknown) => void): unknown;
}

/** The messages between a process and its child. A message that can't be sent is dropped, and the deadline of the caller expires. */
export function processChannel(peer: Peer): Channel {
  let queued = 0;
  return {
    send(message) {
      if (!peer.connected || queued >= MAX_QUEUED) return;
      queued++;
      peer.send?.(message, undefined, undefined, () => queued--);
    },
    listen(listener) {
      peer.on('message', listener);
      return () => peer.off('message', listener);
    },
  };
}
