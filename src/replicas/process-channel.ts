import type { Channel } from './channel.js';

/** Limit of messages that the other process has not read, such as a process that is stopped: further messages are dropped. */
const MAX_QUEUED = 10_000;

/** A process at the other end of a channel: a child, or `process` for the parent. */
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

/** The messages between a process and its child. A message that can't be sent is dropped: the deadline of the caller decides. */
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
