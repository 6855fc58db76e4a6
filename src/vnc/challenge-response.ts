import { createCipheriv } from 'node:crypto';

/** Bytes of a DES key. VNC authentication ignores the bytes of a password after these. */
const KEY_LENGTH = 8;

/**
 * The response of VNC authentication (RFC 6143 section 7.2.2): the challenge, encrypted by DES with the password as the key. Only
 * the first 8 bytes of a password count; a text counts as its UTF-8 bytes, as in TigerVNC.
 */
export function challengeResponse(password: string | Uint8Array, challenge: Buffer): Buffer {
  const key = Buffer.alloc(KEY_LENGTH);
  Buffer.from(password).copy(key);
  // The first implementation of VNC read the bits of each byte in reverse order: RFC erratum 4951.
  for (const [at, byte] of key.entries()) key[at] = reversed(byte);
  // OpenSSL 3 has DES in its legacy provider only. Triple DES with three equal keys is DES.
  const cipher = createCipheriv('des-ede3-ecb', Buffer.concat([key, key, key]), null).setAutoPadding(false);
  return Buffer.concat([cipher.update(challenge), cipher.final()]);
}

function reversed(byte: number): number {
  let result = 0;
  for (let bit = 0; bit < 8; bit++) result = (result << 1) | ((byte >> bit) & 1);
  return result;
}
