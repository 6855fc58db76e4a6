/**
 * Options read from a lighttpd.conf compare the path in lighttpd's normal form. An app's middleware sees the path as the client
 * sent it. A path in another form could bypass a login that is mounted on the normal form, and is therefore refused.
 */
export interface Notation {
  /** Returns the form used for comparisons. */
  read(path: string): string;
  /** Is the path written in normal form? */
  isNormal(path: string): boolean;
}

/**
 * A property of a RegExp or of a map of `server`: the notation for comparing paths. Maps have a non-enumerable property, so that
 * printing shows the hosts alone. A copy of the map loses the notation and becomes an ordinary map, whose keys match fewer paths.
 */
export const NOTATION = Symbol('path notation');

export function notationOf(value: object): Notation | undefined {
  return (value as { [NOTATION]?: Notation })[NOTATION];
}
