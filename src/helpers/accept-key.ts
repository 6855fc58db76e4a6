import { createHash } from 'node:crypto';

/** RFC 6455 section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`. */
export function acceptKeyFor(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}
