/**
 * For options that compare a path in another form than as it was sent: those read from a lighttpd.conf. An app's own
 * middleware sees the path as it was sent; so one that is not written in its normal form could pass a login that is mounted
 * on the normal one, and is refused.
 */
export interface Notation {
  /** The form that is compared. */
  read(path: string): string;
  /** Whether the path is written in its normal form. */
  isNormal(path: string): boolean;
}

/**
 * On a RegExp and on a map of `server`: how it reads paths. Of the map it is not enumerable, so that printing it shows the
 * hosts alone; a copy of the map without it is one of ours, whose keys match less.
 */
export const NOTATION = Symbol('the way in which paths are read');

export function notationOf(value: object): Notation | undefined {
  return (value as { [NOTATION]?: Notation })[NOTATION];
}
