import { fail } from './fail.js';
import type { OptionRef } from './option-path.js';
import { checkRegExp } from './basic.js';

/** Checks regular expressions and path prefixes, one or a list. */
export function checkUrls(value: unknown, name: OptionRef): void {
  const patterns: unknown[] = Array.isArray(value) ? value : [value];
  if (patterns.length === 0) fail(name, 'needs at least one pattern', value);
  for (const pattern of patterns) {
    if (pattern instanceof RegExp) checkRegExp(pattern, name);
    else if (typeof pattern !== 'string' || !pattern.startsWith('/') || /[?#]/.test(pattern))
      fail(name, 'must be a RegExp or a path that begins with "/" and has no query', pattern);
  }
}
