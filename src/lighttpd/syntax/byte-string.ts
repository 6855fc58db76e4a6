/**
 * A text as UTF-8, each byte as one character (Latin-1). lighttpd compares bytes: to it, and to glob(3) in the C locale, an `é` is
 * two of them.
 */
export function byteString(text: string): string {
  return Buffer.from(text).toString('latin1');
}
