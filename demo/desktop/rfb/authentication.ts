import { createCipheriv, randomBytes, timingSafeEqual } from 'node:crypto';

/** The length of the challenge and of the answer. */
export const CHALLENGE_LENGTH = 16;

/** A password has at most so many bytes: VNC ignores the rest. */
const KEY_LENGTH = 8;

/** A random challenge, new for each viewer. */
export function makeChallenge(): Buffer {
  return randomBytes(CHALLENGE_LENGTH);
}

/** https://www.rfc-editor.org/rfc/rfc6143#section-7.2.2 */
export function isRightAnswer(password: string, challenge: Buffer, answer: Buffer): boolean {
  return timingSafeEqual(answerTo(password, challenge), answer);
}

/** The challenge, encrypted with DES by the password. */
export function answerTo(password: string, challenge: Buffer): Buffer {
  const key = Buffer.alloc(KEY_LENGTH);
  key.write(password, 'latin1');
  const mirrored = key.map(mirror);
  // OpenSSL 3 has no plain DES by default. Triple DES with three equal keys is DES.
  const cipher = createCipheriv('des-ede3-ecb', Buffer.concat([mirrored, mirrored, mirrored]), null);
  cipher.setAutoPadding(false);
  return Buffer.concat([cipher.update(challenge), cipher.final()]);
}

/** VNC's DES takes the bits of each byte of the key in reverse order: https://www.rfc-editor.org/errata/eid4951 */
function mirror(byte: number): number {
  let mirrored = 0;
  for (let bit = 0; bit < 8; bit++) if ((byte >> bit) & 1) mirrored |= 0x80 >> bit;
  return mirrored;
}
