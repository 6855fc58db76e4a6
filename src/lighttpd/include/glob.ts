/** A pattern of which the meaning is not certain: to find no file for it could leave out what lighttpd reads. */
class GlobError extends Error {}

/** One byte, as a character of Latin-1. */
type Test = (byte: string) => boolean;
type Step = Test | '*';

/** Alternatives in braces double with each pair. */
const MOST_PATTERNS = 100;
/** Linux takes no longer paths (PATH_MAX). */
const MOST_CHARACTERS = 4096;

/** POSIX character classes of the C locale, in which lighttpd runs. */
const CLASSES: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  // eslint-disable-next-line no-control-regex -- this is what the class means
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

/** Does glob(3) with GLOB_BRACE, as lighttpd calls it, find more than the file of this name? */
export function isGlob(path: string): boolean {
  return /[*?[{\\]/.test(path);
}

/** `a{b,c}` is `ab` and `ac`. As in glibc, a brace that is not closed leaves all braces of the pattern as they are. */
export function alternatives(pattern: string): string[] {
  if (pattern.length > MOST_CHARACTERS) throw new GlobError(`more than ${MOST_CHARACTERS} characters`);
  if (pattern.includes('\\')) throw new GlobError('a backslash is not supported in an include');
  const found: string[] = [];
  const waiting = [pattern];
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    const braces = bracesOf(one);
    if (braces) waiting.push(...braces.reverse());
    else found.push(one);
    if (found.length + waiting.length > MOST_PATTERNS)
      throw new GlobError(`more than ${MOST_PATTERNS} alternatives in braces`);
  }
  return found;
}

/** The pattern once for each alternative of its first braces. */
function bracesOf(pattern: string): string[] | undefined {
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
 * fnmatch(3) for one segment of a path. Bytes are compared, as in the C locale: `?` is half of an `é`. Throws for brackets that are
 * not understood. The time grows as pattern times name.
 */
export function matcherOf(segment: string): (name: string) => boolean {
  const steps = stepsOf(bytesOf(segment));
  return (name) => (!name.startsWith('.') || segment.startsWith('.')) && fits(steps, bytesOf(name));
}

export function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** Only the last `*` needs to be tried again: what an earlier one took is the shortest that fits. */
function fits(steps: readonly Step[], name: string): boolean {
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
  // Once one has no end, those after it have none either.
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

/** A bracket expression (POSIX.1-2017, XBD 9.3.5), with `!` or `^` for its opposite. */
class Brackets {
  /** Undefined where no bracket closes it: glibc then takes the `[` for itself. */
  readonly test: Test | undefined;
  /** The closing bracket. */
  end: number;

  readonly #text: string;
  readonly #start: number;

  constructor(text: string, start: number) {
    this.#text = text;
    this.#start = start;
    const isOpposite = /[!^]/.test(text[start + 1] ?? '');
    const first = start + (isOpposite ? 2 : 1);
    this.end = first;
    // The first character may be a closing bracket.
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
    if (last === '[' && /[:=.]/.test(this.#text[this.end + 3] ?? '')) this.#refuse('a class ends no range');
    if (last < character) this.#refuse(`the range ${character}-${last} is reversed`);
    this.end += 3;
    return (byte) => byte >= character && byte <= last;
  }

  #class(): Test {
    const [whole, name = ''] = /^\[:([a-z]+):\]/.exec(this.#text.slice(this.end, this.end + 16)) ?? [];
    const known = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined;
    if (whole === undefined || !known)
      return this.#refuse(`of [: [= and [. only ${Object.keys(CLASSES).join(', ')} in [: :] are supported`);
    this.end += whole.length;
    if (this.#text[this.end] === '-' && this.#text[this.end + 1] !== ']')
      this.#refuse('a class begins no range');
    return (byte) => known.test(byte);
  }

  #refuse(reason: string): never {
    const shown = Buffer.from(this.#text, 'latin1').toString();
    throw new GlobError(
      `the brackets at character ${this.#start + 1} of ${JSON.stringify(shown)}: ${reason}`,
    );
  }
}
