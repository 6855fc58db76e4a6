import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** A text that an include stands for, and its name in messages. */
export interface IncludedText {
  readonly file: string;
  readonly text: string;
}

/** glob(3) with GLOB_BRACE, as lighttpd calls it. */
const SPECIAL = /[*?[{]/;
/** Alternatives in braces double with each pair. */
const MOST_PATTERNS = 100;

/**
 * Reads includes from the disk as lighttpd does: relative ones from the folder of the configuration's first file, wildcards in
 * alphabetical order, each file under its own name. A wildcard that finds no file stands for nothing. Throws where a file can't be read.
 */
export function includeFrom(file: string): (path: string) => readonly IncludedText[] {
  const folder = dirname(file);
  return (path) => {
    // Not `join`: an absolute path stays as it is.
    const whole = path.startsWith('/') ? path : join(folder, path);
    const files = SPECIAL.test(path) ? filesOf(whole) : [whole];
    return files.map((one) => ({ file: one, text: readFileSync(resolve(one), 'utf8') }));
  };
}

function filesOf(pattern: string): string[] {
  return alternatives(pattern).flatMap((one) => {
    const isAbsolute = one.startsWith('/');
    const segments = one.split('/').filter((segment) => segment !== '');
    return segments.reduce<string[]>(
      (found, segment) => found.flatMap((base) => inside(base, segment)),
      [isAbsolute ? '/' : '.'],
    );
  });
}

/** The entries of a folder that a segment of a pattern stands for. */
function inside(base: string, segment: string): string[] {
  const path = (name: string) => (base === '.' ? name : join(base, name));
  if (!SPECIAL.test(segment)) return exists(path(segment)) ? [path(segment)] : [];
  const pattern = patternOf(segment);
  let names: string[];
  try {
    names = readdirSync(resolve(base));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
  const fitting = names.filter(
    (name) => pattern.test(name) && (!name.startsWith('.') || segment.startsWith('.')),
  );
  return fitting.sort().map(path);
}

function exists(path: string): boolean {
  return statSync(resolve(path), { throwIfNoEntry: false }) !== undefined;
}

/** `a{b,c}` is `ab` and `ac`. */
function alternatives(pattern: string): string[] {
  const patterns = [pattern];
  for (;;) {
    const index = patterns.findIndex((one) => /\{[^{}]*\}/.test(one));
    const [whole = ''] = patterns.splice(index, index === -1 ? 0 : 1);
    if (index === -1) return patterns;
    const [braces = '', inner = ''] = /\{([^{}]*)\}/.exec(whole) ?? [];
    patterns.splice(index, 0, ...inner.split(',').map((one) => whole.replace(braces, () => one)));
    if (patterns.length > MOST_PATTERNS) throw new Error(`more than ${MOST_PATTERNS} alternatives in braces`);
  }
}

function patternOf(segment: string): RegExp {
  const source = segment.replace(/\[(!?)([^\]]+)\]|[*?]|[^]/g, (text, not?: string, set?: string) => {
    if (text === '*') return '.*';
    if (text === '?') return '.';
    if (set !== undefined) return `[${not === '!' ? '^' : ''}${set.replace(/[\\^]/g, '\\$&')}]`;
    return text.replace(/[.+^${}()|[\]\\]/, '\\$&');
  });
  return new RegExp(`^${source}$`, 's');
}
