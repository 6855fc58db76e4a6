import { compileOrigin, nativeOrigin } from '../../../guard/origin.js';

export const FRAME_RULE =
  'must list sites such as https://portal.example or *.example.com, "same", or "*" for all';

/** May this stand in `--frame`? */
export function isFrameSource(text: string): boolean {
  if (text === 'same' || text === '*') return true;
  // What separates sources and directives of the header (CSP level 3, section 2.2), or would have to be encoded.
  if (text === 'null' || !/^[\x21-\x7e]+$/.test(text) || /[;,'"]/.test(text)) return false;
  return (nativeOrigin(text) ?? compileOrigin(text)) !== undefined;
}

/**
 * Headers by which only pages of this server, and of `sites`, may show its pages in a frame: a page that lays its own buttons over a
 * desktop has its visitor click there (clickjacking).
 */
export function frameHeaders(sites: readonly string[]): Readonly<Record<string, string>> {
  if (sites.includes('*')) return {};
  const others = sites.filter((one) => one !== 'same').map((one) => one.replace(/(^|\/\/)\./, '$1*.'));
  return {
    'Content-Security-Policy': ['frame-ancestors', "'self'", ...others].join(' '),
    // It can't name other sites; browsers of today go by the first.
    ...(others.length === 0 && { 'X-Frame-Options': 'SAMEORIGIN' }),
  };
}
