import { compileOrigin, nativeOrigin } from '../../../guard/origin.js';

export const FRAME_RULE =
  'must list sites such as https://portal.example or *.example.com, "same", or "*" for all';

/** Is this a valid entry of `--frame`? */
export function isFrameSource(text: string): boolean {
  if (text === 'same' || text === '*') return true;
  // Rejects separators of sources and directives (CSP level 3, section 2.2), and characters that must be encoded.
  if (text === 'null' || !/^[\x21-\x7e]+$/.test(text) || /[;,'"]/.test(text)) return false;
  return (nativeOrigin(text) ?? compileOrigin(text)) !== undefined;
}

/**
 * Headers that allow only this server and `sites` to show the server's pages in a frame. Otherwise a hostile page could show a
 * desktop in a frame below its own buttons, and make the user click on the desktop (clickjacking).
 */
export function frameHeaders(sites: readonly string[]): Readonly<Record<string, string>> {
  if (sites.includes('*')) return {};
  const others = sites.filter((one) => one !== 'same').map((one) => one.replace(/(^|\/\/)\./, '$1*.'));
  return {
    'Content-Security-Policy': ['frame-ancestors', "'self'", ...others].join(' '),
    // X-Frame-Options can't name other sites; current browsers use Content-Security-Policy.
    ...(others.length === 0 && { 'X-Frame-Options': 'SAMEORIGIN' }),
  };
}
