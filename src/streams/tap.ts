/**
 * Sees the payload of a tunnel before the relay passes the bytes on. The memory of the bytes is used again after the call. A function
 * returns false if the bytes must not pass, because the tap has ended the tunnel.
 */
export interface Tap {
  /** Bytes from the backend. */
  out(bytes: Buffer): boolean;
  /** Bytes from the client. */
  in(bytes: Buffer): boolean;
  /** If false, `in` ignores the bytes, and only its result matters. */
  readonly readsIn: boolean;
}
