import type * as Detector from 'redos-detector';
import { messageOf } from '../../errors.js';
import { failAt, type Place } from '../syntax/source.js';

const MAX_LENGTH = 1000;
/** Steps of the detector: a safe expression needs a few hundred, an unsafe one may need millions. */
const MAX_STEPS = 1000;

/** The escaped letters with the same meaning in PCRE and JavaScript. */
const ESCAPES = 'dDwWsSbBtnrf';
const QUANTIFIER = /(?:[*+?]|\{\d+(?:,\d*)?\})/y;

const POSIX: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  blank: ' \\t',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\t-\\r ',
  upper: 'A-Z',
  word: '\\w',
  xdigit: '0-9A-Fa-f',
};

/** Turns a regular expression of PCRE, as used by lighttpd, into a RegExp. Syntax with another meaning in JavaScript is an error. */
export function compilePcre(pattern: string, place: Place): RegExp {
  if (pattern.length > MAX_LENGTH)
    failAt(place, `this regular expression has more than ${MAX_LENGTH} characters`);
  const [, flags = '', rest = ''] = /^(?:\(\?([ims]+)\))?([^]*)$/.exec(pattern) ?? [];
  const source = new Translation(rest, place, flags.includes('m')).whole();
  const compiled = compile(source, [...new Set(flags)].join(''), place);
  checkBacktracking(compiled, place);
  return compiled;
}

export function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

function compile(source: string, flags: string, place: Place): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    return failAt(place, `this regular expression is not valid in JavaScript: ${messageOf(error)}`, error);
  }
}

/**
 * A hostile client may send a path that makes a regular expression backtrack for minutes. The detector examines one start position
 * only (hence the `^`): a search that starts again at each character takes time quadratic in the length, and Node limits the length
 * of a header.
 */
function checkBacktracking({ source, ignoreCase, dotAll, multiline }: RegExp, place: Place): void {
  // A trailing `.*` never backtracks.
  const needed = source.includes('|')
    ? source
    : source.replace(/(?<!\\)(?:\.\*|\(\.\*\)|\(\?:\.\*\))\$?$/, '');
  let isSafe: boolean;
  try {
    isSafe = detector().isSafePattern(`^(?:${needed})`, {
      ...{ caseInsensitive: ignoreCase, dotAll, multiLine: multiline },
      ...{ maxSteps: MAX_STEPS, maxScore: 200 },
    }).safe;
  } catch (error) {
    return failAt(
      place,
      `this regular expression can't be checked for backtracking: ${messageOf(error)}`,
      error,
    );
  }
  if (!isSafe)
    failAt(
      place,
      'this regular expression may backtrack for very long on a hostile request: avoid two repetitions that match the same text ' +
        '(write [^/]* instead of .*), or use ==, =^ or =$',
    );
}

let loaded: typeof Detector | undefined;

/**
 * Loaded with the first regular expression, since loading takes as long as for the rest of the package. A bundler follows this
 * `require`.
 */
function detector(): typeof Detector {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return (loaded ??= require('redos-detector') as typeof Detector);
}

class Translation {
  readonly #text: string;
  readonly #place: Place;
  readonly #multiline: boolean;
  #at = 0;
  #out = '';

  constructor(text: string, place: Place, multiline: boolean) {
    this.#text = text;
    this.#place = place;
    this.#multiline = multiline;
  }

  whole(): string {
    while (this.#at < this.#text.length) this.#part();
    return this.#out;
  }

  #part(): void {
    const character = this.#text[this.#at] ?? '';
    if (character === '\\') this.#escape(false);
    else if (character === '[') this.#class();
    else if (character === '(') this.#group();
    else this.#quantifierOr(character);
  }

  #quantifierOr(character: string): void {
    QUANTIFIER.lastIndex = this.#at;
    const quantifier = QUANTIFIER.exec(this.#text)?.[0];
    if (quantifier === undefined) {
      if (/^\{,\d+\}/.test(this.#text.slice(this.#at, this.#at + 12))) this.#refuse('{,n}: write {0,n}');
      this.#copy(character, character);
      return;
    }
    this.#copy(quantifier, quantifier);
    if (this.#text[this.#at] === '+') this.#refuse(`${quantifier}+ (possessive)`);
  }

  /**
   * Lookaround and (?: are the same in JavaScript. The name of a group is dropped, since nothing refers to the name. JavaScript has
   * no other groups.
   */
  #group(): void {
    const start = this.#text.slice(this.#at, this.#at + 64);
    const named = /^\(\?P?<[A-Za-z_]\w*>/.exec(start)?.[0];
    const known = named ?? /^\((?:\?(?:[:=!]|<[=!]))?(?![?*])/.exec(start)?.[0];
    if (known === undefined) return this.#refuse(`${start.slice(0, 3)}...)`);
    this.#copy(known, named === undefined ? known : '(');
  }

  #class(): void {
    const open = this.#text[this.#at + 1] === '^' ? '[^' : '[';
    this.#copy(open, open);
    // A ] in the first position is a member of the class in PCRE; in JavaScript it would end the class.
    if (this.#text[this.#at] === ']') this.#copy(']', '\\]');
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined) failAt(this.#place, 'this regular expression has a [ without a ]');
      if (character === ']') {
        this.#copy(']', ']');
        return;
      }
      if (character === '\\') this.#escape(true);
      else if (/^\[[:.=]/.test(this.#text.slice(this.#at, this.#at + 2))) this.#posix();
      else this.#copy(character, character);
    }
  }

  #posix(): void {
    const [whole, name = ''] = /^\[:([a-z]+):\]/.exec(this.#text.slice(this.#at, this.#at + 20)) ?? [];
    const set = Object.hasOwn(POSIX, name) ? POSIX[name] : undefined;
    if (whole === undefined || set === undefined) return this.#refuse('this [: :] class');
    this.#copy(whole, set);
  }

  #escape(inClass: boolean): void {
    const next = this.#text[this.#at + 1];
    if (next === undefined) return failAt(this.#place, 'this regular expression ends with a backslash');
    const escape = `\\${next}`;
    if (next === 'x') {
      const hex = /^\\x[0-9a-fA-F]{2}/.exec(this.#text.slice(this.#at, this.#at + 4))?.[0];
      if (hex === undefined) this.#refuse('this \\x escape');
      this.#copy(hex, hex);
      return;
    }
    if ('AzZ'.includes(next) && !inClass && !this.#multiline) {
      this.#copy(escape, next === 'A' ? '^' : '$');
      return;
    }
    if (inClass && next === 'B') return this.#refuse(escape);
    if (/[A-Za-z0-9]/.test(next) && !ESCAPES.includes(next)) return this.#refuse(escape);
    this.#copy(escape, escape);
  }

  #copy(pcre: string, javascript: string): void {
    this.#at += pcre.length;
    this.#out += javascript;
  }

  #refuse(what: string): never {
    return failAt(this.#place, `regular expressions of JavaScript do not support ${what}`);
  }
}
