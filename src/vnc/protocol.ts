// Numbers of the RFB protocol: RFC 6143 (https://www.rfc-editor.org/rfc/rfc6143), and for extensions the community's
// document (https://github.com/rfbproto/rfbproto/blob/master/rfbproto.rst).

/** Bytes of a protocol version message, "RFB 003.008\n" (RFC 6143 section 7.1.1). */
export const VERSION_LENGTH = 12;

/** Bytes of the challenge of VNC authentication, and of the response (RFC 6143 section 7.2.2). */
export const CHALLENGE_LENGTH = 16;

/** Bytes of the longest reason text that is read; servers send a sentence. */
export const MOST_REASON = 4096;

/** The versions that differ in the handshake: the minor numbers of 3.3, 3.7 and 3.8. */
export type Minor = 3 | 7 | 8;

/** Security types (RFC 6143 section 7.1.2). */
export const SECURITY = {
  /** No type: a reason follows, and the connection ends. */
  invalid: 0,
  none: 1,
  vncAuthentication: 2,
  veNCrypt: 19,
} as const;

/** SecurityResult (RFC 6143 section 7.1.3). */
export const RESULT = { ok: 0, failed: 1, tooMany: 2 } as const;

/** Subtypes of VeNCrypt (rfbproto, "VeNCrypt"). */
export const VENCRYPT = {
  plain: 256,
  tlsNone: 257,
  tlsVnc: 258,
  tlsPlain: 259,
  x509None: 260,
  x509Vnc: 261,
  x509Plain: 262,
} as const;

const SECURITY_NAMES: Readonly<Record<number, string>> = {
  0: 'invalid',
  1: 'no authentication',
  2: 'VNC authentication',
  5: 'RSA-AES authentication',
  6: 'RSA-AES authentication without encryption',
  13: 'RSA-AES two-step authentication',
  16: 'Tight authentication',
  17: 'Ultra authentication',
  18: 'TLS authentication',
  19: 'VeNCrypt',
  20: 'SASL authentication',
  21: 'MD5 hash authentication',
  22: 'Citrix XVP authentication',
  23: 'secure tunnel authentication',
  24: 'integrated SSH authentication',
  30: 'Apple authentication',
  31: 'Apple authentication',
  32: 'Apple authentication',
  33: 'Apple authentication',
  35: 'Apple authentication',
  36: 'Apple authentication',
  113: 'UltraVNC MS-Logon authentication',
  129: 'RSA-AES-256 authentication',
  130: 'RSA-AES-256 authentication without encryption',
  133: 'RSA-AES-256 two-step authentication',
};

/** A security type for messages: `Apple authentication (type 30)`. */
export function securityName(type: number): string {
  const name = SECURITY_NAMES[type];
  return name === undefined ? `security type ${type}` : `${name} (type ${type})`;
}

const VENCRYPT_NAMES: Readonly<Record<number, string>> = {
  256: 'Plain',
  257: 'TLSNone',
  258: 'TLSVnc',
  259: 'TLSPlain',
  260: 'X509None',
  261: 'X509Vnc',
  262: 'X509Plain',
  263: 'TLSSASL',
  264: 'X509SASL',
};

/** A subtype of VeNCrypt for messages: `X509Vnc (type 261)`. */
export function veNCryptName(subtype: number): string {
  const name = VENCRYPT_NAMES[subtype];
  return name === undefined ? `subtype ${subtype}` : `${name} (type ${subtype})`;
}

/**
 * The version that both sides use if the server sends this version message; undefined if the bytes are no version message. Minor
 * numbers below 7 count as 3.3 (RFC 6143 section 7.1.1). Numbers above 3.8 count as 3.8: Apple's servers send 003.889, and
 * RealVNC's 004.000 and later.
 */
export function minorOf(message: Buffer): Minor | undefined {
  const match = /^RFB (\d{3})\.(\d{3})\n$/.exec(message.toString('latin1'));
  if (!match) return undefined;
  const major = Number(match[1]);
  const minor = Number(match[2]);
  if (major > 3) return 8;
  if (major < 3) return undefined;
  return minor >= 8 ? 8 : minor === 7 ? 7 : 3;
}

/** The version message of a version. */
export function versionMessage(minor: Minor): Buffer {
  return Buffer.from(`RFB 003.00${minor}\n`, 'latin1');
}
