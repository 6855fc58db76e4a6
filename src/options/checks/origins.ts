import { compileOrigin, nativeOrigin } from '../../guard/origin.js';
import { fail } from './fail.js';
import { listAdvice } from './list-advice.js';
import type { OptionRef } from './option-path.js';
import { checkRegExp } from './basic.js';

/** `'same'`, `'*'`, a function, or a list of origins and regular expressions. */
export function checkOrigins(value: unknown, name: OptionRef): void {
  if (value === 'same' || value === '*' || typeof value === 'function') return;
  if (!Array.isArray(value))
    fail(name, 'must be "same", "*", a list of origins or a function', value, listAdvice(value, originsFor));
  const entries = value as unknown[];
  if (entries.length === 0) fail(name, 'needs at least one origin, or "same"', value);
  for (const entry of entries) {
    if (entry instanceof RegExp) checkRegExp(entry, name);
    else if (typeof entry !== 'string' || !isOrigin(entry))
      fail(
        name,
        'must list origins such as "https://a.example", "a.example:8443", "*.a.example", "tauri://localhost" or RegExps',
        entry,
      );
  }
}

function isOrigin(text: string): boolean {
  return (nativeOrigin(text) ?? compileOrigin(text)) !== undefined;
}

/** The origin of a page's address: an origin has no path, and no slash at its end. */
function originsFor(text: string): readonly string[] {
  const origin = /^https?:\/\/[^/?#@]+(?=[/?#])/i.exec(text)?.[0] ?? text;
  return isOrigin(origin) ? [origin] : [];
}
