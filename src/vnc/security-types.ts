/** Security types (RFC 6143 section 7.1.2) that a tunnel can follow between the page and the backend. */
export const SECURITY = { none: 1, vncAuthentication: 2 } as const;

/** Other types, from https://github.com/rfbproto/rfbproto/blob/master/rfbproto.rst#security-types */
const NAMES: Readonly<Record<number, string>> = {
  5: 'RSA-AES',
  6: 'RSA-AES unencrypted',
  16: 'Tight',
  17: 'Ultra',
  18: 'TLS',
  19: 'VeNCrypt',
  20: 'SASL',
  22: 'xvp',
  30: 'Apple',
  33: 'Apple',
  113: 'MS-Logon',
  129: 'RSA-AES-256',
  130: 'RSA-AES-256 unencrypted',
};

/** `VeNCrypt (type 19)`. */
export function securityName(type: number): string {
  const name = NAMES[type];
  return name === undefined ? `type ${type}` : `${name} (type ${type})`;
}

export function isFollowed(type: number): boolean {
  return type === SECURITY.none || type === SECURITY.vncAuthentication;
}
