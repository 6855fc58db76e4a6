/** The longest reason that a Close frame can carry, in bytes (RFC 6455 section 5.5). */
const MAX_REASON = 123;

/** Codes up to here are the IANA registry's; 1015 is never sent. */
const MAX_REGISTERED = 1014;

/** Registered codes that never appear in a Close frame: 1004 is reserved, 1005 and 1006 mean a Close or code that is missing. */
const NEVER_SENT: readonly number[] = [1004, 1005, 1006];

/** May this code appear in a Close frame (RFC 6455 section 7.4.2)? */
export function isSendable(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= MAX_REGISTERED && !NEVER_SENT.includes(code);
}

/** Cuts a close reason to the room that a Close frame has, at the end of a character. */
export function fitReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON) return reason;
  let end = MAX_REASON;
  // Bytes 10xxxxxx continue a character: cut before its first byte.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
