/** The longest reason that a Close frame can carry, in bytes (RFC 6455 section 5.5). */
const MAX_REASON = 123;

/** The IANA registry defines the codes up to this one; 1015 is never sent. */
const MAX_REGISTERED = 1014;

/** Registered codes that never appear in a Close frame: 1004 is reserved, 1005 and 1006 stand for a missing code or a missing Close. */
const NEVER_SENT: readonly number[] = [1004, 1005, 1006];

/** May this code appear in a Close frame (RFC 6455 section 7.4.2)? */
export function isSendable(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= MAX_REGISTERED && !NEVER_SENT.includes(code);
}

/** Shortens a close reason to the limit of a Close frame, at a character boundary. */
export function fitReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON) return reason;
  let end = MAX_REASON;
  // Bytes 10xxxxxx continue a character: cut before the first byte of the character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
