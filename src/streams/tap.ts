/**
 * Sees the payload of a tunnel before the relay passes the bytes on. The memory of the bytes is used again after the call. False: the bytes
 * must not pass, because the tap has ended the tunnel.
 */
export interface Tap {
  /** Bytes from the backend. */
  out(bytes: Buffer): boolean;
  /** Bytes from the client. */
  in(bytes: Buffer): boolean;
  /** False: `in` does nothing with the bytes. Only the result counts. */
  readonly readsIn: boolean;
}
