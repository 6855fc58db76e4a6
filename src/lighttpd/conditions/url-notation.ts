import { nearest } from '../../options/checks/nearest.js';
import { NOTATION, type Notation } from '../../routes/path-notation.js';
import type { Block } from '../evaluate/blocks.js';
import { readKeyedList, readSwitchValue } from '../evaluate/value-readers.js';
import { failAt } from '../syntax/source.js';

export const PARSE_OPTIONS = 'server.http-parseopts';

/** The options of `server.http-parseopts` that change how lighttpd reads a path or a query, with lighttpd's defaults. */
const DEFAULTS = {
  'url-normalize': true,
  'url-normalize-unreserved': true,
  'url-normalize-required': false,
  'url-ctrls-reject': true,
  'url-invalid-utf8-reject': true,
  'url-query-20-plus': false,
};

/**
 * Options without effect here. The first five: lighttpd always compares the decoded and simplified path, and we refuse a path that
 * is not in its normal form wherever a condition reads the path. The others concern Node's parser.
 */
const WITHOUT_MEANING = [
  ...['url-path-2f-decode', 'url-path-2f-reject', 'url-path-dotseg-remove', 'url-path-dotseg-reject'],
  ...['url-path-backslash-trans', 'header-strict', 'host-strict', 'host-normalize', 'method-get-body'],
];

type ParseOption = keyof typeof DEFAULTS;
type ParseOptions = Readonly<Record<ParseOption, boolean>>;

/** Characters that need no escape anywhere: lighttpd's `encoded_chars_http_uri_reqd` in src/burl.c. */
const PLAIN = /[!$&'()*+,\-./0-9:;=?@A-Z_a-z~]/;
/** RFC 3986 section 2.3. */
const UNRESERVED = /[-.0-9A-Z_a-z~]/;

/** Reads the path and the query of a request as lighttpd does before it checks the conditions (`http_request_parse_target`). */
export class LighttpdNotation implements Notation {
  readonly #options: ParseOptions;
  // A cache of one: all conditions of a request read the same path.
  #last = { path: '', text: '' };

  constructor(options: ParseOptions) {
    this.#options = options;
  }

  /** The path, decoded and without `//`, `.` and `..`; each character is a byte, as for lighttpd's PCRE. */
  read(path: string): string {
    if (this.#last.path !== path) this.#last = { path, text: this.#decoded(path) };
    return this.#last.text;
  }

  isNormal(path: string): boolean {
    const normal = simplified(this.#normalized(path, '/?').replaceAll('%2F', '/'));
    return path === normal && !this.#isRejected(normal);
  }

  /** The query, not decoded, but with one spelling for each character. */
  readQuery(query: string): string {
    if (!this.#options['url-normalize']) return query;
    const text = this.#normalized(query, '&=;+');
    return this.#options['url-query-20-plus'] ? text.replaceAll('%20', '+') : text;
  }

  /** The text of a condition, changed only as lighttpd changes such a text (`pcre_keyvalue_burl_normalize_key`). */
  queryText(text: string): string {
    if (!this.#options['url-normalize']) return text;
    return text
      .replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase())
      .replace(/[^\0-\x7f]+/g, (characters) => Array.from(Buffer.from(characters), escapeOf).join(''));
  }

  /** `kept`: characters that stay escaped, since their unescaped form has another meaning. */
  #normalized(text: string, kept: string): string {
    const decoded = this.#options['url-normalize-required'] ? PLAIN : UNRESERVED;
    return text.replace(/%([0-9a-fA-F]{2})|[^]/g, (whole, hex: string | undefined) => {
      if (hex === undefined) return PLAIN.test(whole) ? whole : Array.from(bytesOf(whole), escapeOf).join('');
      const character = String.fromCharCode(parseInt(hex, 16));
      return decoded.test(character) && !kept.includes(character) ? character : whole.toUpperCase();
    });
  }

  #isRejected(normal: string): boolean {
    const options = this.#options;
    if (!options['url-normalize']) return false;
    if (options['url-ctrls-reject'] && /%(?:[01][0-9A-F]|7F)/.test(normal)) return true;
    return options['url-invalid-utf8-reject'] && /%(?:C[01]|F[5-9A-F])/.test(normal);
  }

  #decoded(path: string): string {
    const text = path.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => {
      const code = parseInt(hex, 16);
      return code < 0x20 || code === 0x7f ? '_' : String.fromCharCode(code);
    });
    return simplified(text);
  }
}

/** A condition on the path: a RegExp that is matched against the path as lighttpd reads it. */
export class LighttpdPath extends RegExp {
  readonly #notation: LighttpdNotation;

  constructor(pattern: string | RegExp, flags: string | undefined, notation = DEFAULT_NOTATION) {
    super(pattern, flags);
    this.#notation = notation;
  }

  get [NOTATION](): Notation {
    return this.#notation;
  }

  override exec(path: string): RegExpExecArray | null {
    return super.exec(this.#notation.read(path));
  }
}

/** A condition on the query: a RegExp that is matched against the query as lighttpd reads it. */
export class LighttpdQuery extends RegExp {
  readonly #notation: LighttpdNotation;

  constructor(pattern: string | RegExp, flags: string | undefined, notation = DEFAULT_NOTATION) {
    super(pattern, flags);
    this.#notation = notation;
  }

  override exec(query: string): RegExpExecArray | null {
    return super.exec(this.#notation.readQuery(query));
  }
}

/** The notation of lighttpd's defaults. */
export const DEFAULT_NOTATION = new LighttpdNotation(DEFAULTS);

/** The notation that the configuration chooses. */
export function readNotation(root: Block): LighttpdNotation {
  const given = root.settings.get(PARSE_OPTIONS);
  if (!given) return DEFAULT_NOTATION;
  const options: Record<ParseOption, boolean> = { ...DEFAULTS };
  for (const { key, value } of readKeyedList(given.value, PARSE_OPTIONS, '( "url-normalize" => "enable" )')) {
    const isOn = readSwitchValue(value, key);
    if (isParseOption(key)) options[key] = isOn;
    else if (!WITHOUT_MEANING.includes(key)) {
      const near = nearest(key, [...Object.keys(DEFAULTS), ...WITHOUT_MEANING]);
      failAt(
        value,
        `${PARSE_OPTIONS} has no "${key}"${near === undefined ? '' : `; did you mean "${near}"?`}`,
      );
    }
  }
  return new LighttpdNotation(options);
}

function isParseOption(key: string): key is ParseOption {
  return Object.hasOwn(DEFAULTS, key);
}

/** Node reads each byte of a request target as one character. A character above U+00FF comes from a configuration or a test. */
function bytesOf(character: string): Buffer {
  return Buffer.from(character, character.charCodeAt(0) > 0xff ? 'utf8' : 'latin1');
}

function escapeOf(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** The path without `//`, `.` and `..` (`buffer_path_simplify`). A `..` at the root is dropped. */
function simplified(path: string): string {
  const segments = path.split('/');
  const last = segments.at(-1) ?? '';
  const kept: string[] = [];
  for (const segment of segments)
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  const isFolder = last === '' || last === '.' || last === '..';
  return `/${kept.join('/')}${isFolder && kept.length > 0 ? '/' : ''}`;
}
