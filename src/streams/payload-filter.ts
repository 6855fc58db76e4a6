import type { Ending } from './close-causes.js';

/** The tunnel as its filter sees it. */
export interface FilteredTunnel {
  /** Sends bytes of the filter's own to the client, before the bytes of the current call of `out`. */
  sendToClient(bytes: Buffer): void;
  /** Ends the tunnel: a Close is sent, and no further byte passes in either direction. */
  end(ending: Ending): void;
}

/**
 * Decides which bytes of a tunnel pass, and may answer one side in place of the other. A filter never queues bytes without a bound.
 * The relay calls the filter before the {@link Tap}: a recording has what the client gets.
 */
export interface PayloadFilter {
  /** Called once, before any byte passes. */
  start(tunnel: FilteredTunnel): void;
  /**
   * Bytes from the client. Returns the bytes for the backend: `bytes` itself, a part of it (the filter may move bytes inside `bytes`), or
   * a new buffer; may be empty.
   */
  in(bytes: Buffer): Buffer;
  /** The same for bytes from the backend, except that the filter must not change `bytes`, whose memory is used again after the call. */
  out(bytes: Buffer): Buffer;
  /** Is every byte from the backend passed on unchanged from now on? Then `out` is not called any more. */
  readonly isOutOpen: boolean;
  /** The same for `in`. */
  readonly isInOpen: boolean;
  /** The time of the last input of a user, by `performance.now()`; undefined if the filter does not look for input. */
  readonly lastInput: number | undefined;
}
