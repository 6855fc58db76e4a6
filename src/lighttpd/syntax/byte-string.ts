/**
 * A text as UTF-8, each byte as one character (Latin-1). lighttpd, and glob(3) in the C locale, compare bytes: an `é` is two bytes.
 */
export function byteString(text: string): string {
  return Buffer.from(text).toString('latin1');
}
