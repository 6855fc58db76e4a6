import { X509Certificate } from 'node:crypto';

/** OpenSSL has three names for a certificate; a block without an end is damaged. */
const BLOCK = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^]*?(?:-----END \1-----|$)/g;

/**
 * The certificates of a text in PEM form. Throws an Error if there is no certificate, or if a certificate is damaged:
 * `createSecureContext` silently omits damaged certificates from `ca`.
 */
export function certificatesIn(pem: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = pem.match(BLOCK) ?? [];
  const [first, ...rest] = blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new Error(`certificate ${index + 1} of ${blocks.length} in it is damaged`, { cause });
    }
  });
  if (!first) throw new Error('there is no certificate in PEM form in it');
  return [first, ...rest];
}
