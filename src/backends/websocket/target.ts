/** A backend that speaks WebSocket itself: the host option `url`, and the host options that need `url`. */
export interface WebSocketTarget {
  /** `frames`: the backend gets the client's handshake and frames. `bytes`: the tunnel is the backend's client. */
  readonly mode: 'frames' | 'bytes';
  /** Host and port of the URL, as in a Host header. */
  readonly authority: string;
  /** Path and query. */
  readonly path: string;
  /** A header without a value is not sent, not even the client's of the same name. */
  readonly headers: readonly (readonly [name: string, value: string | undefined])[];
  /** Undefined: in `frames` mode the client's subprotocols are offered, in `bytes` mode none. */
  readonly subprotocols: readonly string[] | undefined;
  /** Does the backend's 401, 403, 404, 409 or 429 reach the client? */
  readonly passStatus: boolean;
}
