import { byteString } from '../syntax/byte-string.js';

/** A pattern that lighttpd may read differently: without this error, a file that lighttpd includes could be missing. */
class GlobError extends Error {}

/** One byte, as a character of Latin-1. */
type Test = (byte: string) => boolean;
type Step = Test | '*';

/** Each pair of braces multiplies the number of alternatives. */
const MAX_PATTERNS = 100;
/** The longest path of Linux (PATH_MAX). */
const MAX_CHARACTERS = 4096;

/** POSIX character classes of the C locale, in which lighttpd runs. */
const CLASSES: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  // eslint-disable-next-line no-control-regex -- the class consists of control characters
  cntrl: /[\0-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\v\f\r]/,
  upper: /[A-Z]/,
  xdigit: /[0-9A-Fa-f]/,
};

/** Does glob(3) with GLOB_BRACE, as lighttpd calls it, read the path as a pattern rather than as a file name? */
export function isGlob(path: string): boolean {
  return /[*?[{\\]/.test(path);
}

/** `a{b,c}` is `ab` and `ac`. As in glibc, one unclosed brace makes all braces of the pattern literal. */
export function alternatives(pattern: string): string[] {
  if (pattern.length > MAX_CHARACTERS)
    throw new GlobError(`the pattern has more than ${MAX_CHARACTERS} characters`);
  if (pattern.includes('\\')) throw new GlobError('a backslash is not supported in an include');
  const found: string[] = [];
  const pending = [pattern];
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    const expanded = expandFirstBraces(one);
    if (expanded) pending.push(...expanded.reverse());
    else found.push(one);
    if (found.length + pending.length > MAX_PATTERNS)
      throw new GlobError(`the braces have more than ${MAX_PATTERNS} alternatives`);
  }
  return found;
}

/** The pattern, once for each alternative of its first braces; undefined if no braces are left to expand. */
function expandFirstBraces(pattern: string): string[] | undefined {
  const start = pattern.indexOf('{');
  if (start === -1) return undefined;
  const parts: string[] = [];
  let from = start + 1;
  let depth = 0;
  for (let index = start; index < pattern.length; index++) {
    const character = pattern[index];
    if (character === '{') depth++;
    else if (character === '}') depth--;
    const isEnd = depth === 0;
    if (isEnd || (character === ',' && depth === 1)) {
      parts.push(pattern.slice(from, index));
      from = index + 1;
    }
    if (isEnd) return parts.map((part) => pattern.slice(0, start) + part + pattern.slice(from));
  }
  return undefined;
}

/**
 * fnmatch(3) for one segment of a path. Bytes are compared, as in the C locale: `?` matches half of an `é`. Throws for unsupported
 * brackets. The time is at most proportional to the length of the pattern times the length of the name.
 */
export function matcherOf(segment: string): (name: string) => boolean {
  const steps = stepsOf(byteString(segment));
  return (name) => (!name.startsWith('.') || segment.startsWith('.')) && matches(steps, byteString(name));
}

/** Backtracks to the last `*` only: for each earlier `*` the shortest match is already enough. */
function matches(steps: readonly Step[], name: string): boolean {
  let [at, index, star, retry] = [0, 0, -1, 0];
  while (index < name.length) {
    const step = steps[at];
    if (step === '*') {
      star = at++;
      retry = index;
    } else if (step?.(name[index] ?? '')) {
      at++;
      index++;
    } else {
      if (star === -1) return false;
      at = star + 1;
      index = ++retry;
    }
  }
  return steps.slice(at).every((step) => step === '*');
}

function stepsOf(segment: string): Step[] {
  const steps: Step[] = [];
  // After one unclosed bracket, every later bracket is unclosed too.
  let isLiteral = false;
  for (let index = 0; index < segment.length; index++) {
    const character = segment[index] ?? '';
    if (character === '*') steps.push('*');
    else if (character === '?') steps.push(() => true);
    else {
      const set: Brackets | undefined =
        character === '[' && !isLiteral ? new Brackets(segment, index) : undefined;
      if (set?.test) {
        steps.push(set.test);
        index = set.end;
      } else {
        isLiteral ||= set !== undefined;
        steps.push((byte) => byte === character);
      }
    }
  }
  return steps;
}

/** A bracket expression (POSIX.1-2017, XBD 9.3.5), with `!` or `^` for its complement. */
class Brackets {
  /** Undefined if no bracket closes the expression: in glibc, the `[` is then a literal character. */
  readonly test: Test | undefined;
  /** Index of the closing bracket. */
  end: number;

  readonly #text: string;
  readonly #start: number;

  constructor(text: string, start: number) {
    this.#text = text;
    this.#start = start;
    const isOpposite = /[!^]/.test(text[start + 1] ?? '');
    const first = start + (isOpposite ? 2 : 1);
    this.end = first;
    // A closing bracket in the first position is a member of the set.
    if (!text.includes(']', first + 1)) return;
    const tests: Test[] = [];
    while (this.end === first || text[this.end] !== ']') {
      if (this.end >= text.length) return;
      tests.push(this.#member());
    }
    this.test = (byte) => tests.some((test) => test(byte)) !== isOpposite;
  }

  #member(): Test {
    const character = this.#text[this.end] ?? '';
    const next = this.#text[this.end + 1] ?? '';
    if (character === '[' && /[:=.]/.test(next)) return this.#class();
    const isRange = next === '-' && !/^\]?$/.test(this.#text[this.end + 2] ?? '');
    if (!isRange) {
      this.end++;
      return (byte) => byte === character;
    }
    const last = this.#text[this.end + 2] ?? '';
    if (last === '[' && /[:=.]/.test(this.#text[this.end + 3] ?? ''))
      this.#refuse("a range can't end with a class");
    if (last < character) this.#refuse(`the range ${character}-${last} is reversed`);
    this.end += 3;
    return (byte) => byte >= character && byte <= last;
  }

  #class(): Test {
    const [whole, name = ''] = /^\[:([a-z]+):\]/.exec(this.#text.slice(this.end, this.end + 16)) ?? [];
    const known = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined;
    if (whole === undefined || !known)
      return this.#refuse(
        `[= and [. are not supported, and of [: :] only ${Object.keys(CLASSES).join(', ')} are`,
      );
    this.end += whole.length;
    if (this.#text[this.end] === '-' && this.#text[this.end + 1] !== ']')
      this.#refuse("a range can't begin with a class");
    return (byte) => known.test(byte);
  }

  #refuse(reason: string): never {
    const shown = Buffer.from(this.#text, 'latin1').toString();
    throw new GlobError(
      `the brackets at character ${this.#start + 1} of ${JSON.stringify(shown)}: ${reason}`,
    );
  }
}
