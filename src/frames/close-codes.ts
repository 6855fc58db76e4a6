/** RFC 6455 section 7.4.1; 1005 and 1006 are never sent. */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  noStatus: 1005,
  abnormal: 1006,
  notUtf8: 1007,
  policy: 1008,
  tooBig: 1009,
  internalError: 1011,
} as const;

/** The codes of an orderly end; 1005 is a Close without a code. */
export const ORDERLY: readonly number[] = [CLOSE.normal, CLOSE.noStatus];

/** May this code stand in a Close frame? (RFC 6455 section 7.4.2 and the IANA registry up to 1014) */
export function isSendable(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}

/** A Close frame has room for 123 bytes of reason: cut it there, on a character. */
export function fitReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= 123) return reason;
  let end = 123;
  // Bytes 10xxxxxx continue a character: cut before its first byte.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
