import { nearest } from '../../options/nearest.js';
import { NOTATION, type Notation } from '../../routes/notation.js';
import type { Block } from '../evaluate/blocks.js';
import { readKeyedList, readSwitchValue } from '../evaluate/value-readers.js';
import { failAt } from '../syntax/source.js';

export const PARSE_OPTIONS = 'server.http-parseopts';

/** Of `server.http-parseopts` what has a bearing on how a path or a query is read; lighttpd's defaults. */
const DEFAULTS = {
  'url-normalize': true,
  'url-normalize-unreserved': true,
  'url-normalize-required': false,
  'url-ctrls-reject': true,
  'url-invalid-utf8-reject': true,
  'url-query-20-plus': false,
};

/**
 * Those that make no difference here. lighttpd compares the path decoded and simplified whatever the next five say; and a
 * path that is not in its normal form is refused wherever a condition looks at it. The others are for Node's own parser.
 */
const WITHOUT_MEANING = [
  ...['url-path-2f-decode', 'url-path-2f-reject', 'url-path-dotseg-remove', 'url-path-dotseg-reject'],
  ...['url-path-backslash-trans', 'header-strict', 'host-strict', 'host-normalize', 'method-get-body'],
];

type ParseOption = keyof typeof DEFAULTS;
type ParseOptions = Readonly<Record<ParseOption, boolean>>;

/** What never needs an escape: lighttpd's `encoded_chars_http_uri_reqd` of src/burl.c. */
const PLAIN = /[!$&'()*+,\-./0-9:;=?@A-Z_a-z~]/;
/** RFC 3986 section 2.3. */
const UNRESERVED = /[-.0-9A-Z_a-z~]/;

/** How lighttpd reads the path and the query of a request before conditions see them: `http_request_parse_target`. */
export class LighttpdNotation implements Notation {
  readonly #options: ParseOptions;
  // Each condition of a request asks for the same one.
  #last = { path: '', text: '' };

  constructor(options: ParseOptions) {
    this.#options = options;
  }

  /** Decoded, without `//`, `.` and `..`; each character is a byte, as for PCRE there. */
  read(path: string): string {
    if (this.#last.path !== path) this.#last = { path, text: this.#decoded(path) };
    return this.#last.text;
  }

  isNormal(path: string): boolean {
    const normal = simplified(this.#normalized(path, '/?').replaceAll('%2F', '/'));
    return path === normal && !this.#isRejected(normal);
  }

  /** Not decoded, but each character written in one way alone. */
  readQuery(query: string): string {
    if (!this.#options['url-normalize']) return query;
    const text = this.#normalized(query, '&=;+');
    return this.#options['url-query-20-plus'] ? text.replaceAll('%20', '+') : text;
  }

  /** A condition's own text is taken as it is but for these (`pcre_keyvalue_burl_normalize_key`). */
  queryText(text: string): string {
    if (!this.#options['url-normalize']) return text;
    return text
      .replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase())
      .replace(/[^\0-\x7f]+/g, (characters) => Array.from(Buffer.from(characters), escapeOf).join(''));
  }

  /** `kept`: what is not decoded, since it would mean something else then. */
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

/** A condition on the path. In place of lighttpd's own text it has the RegExp that tests for it. */
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

/** A condition on the query. */
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

/** By lighttpd's defaults. */
export const DEFAULT_NOTATION = new LighttpdNotation(DEFAULTS);

/** As the configuration has it; what is not said is lighttpd's default. */
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

/** A condition's text, as the bytes that lighttpd compares. */
export function asBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function isParseOption(key: string): key is ParseOption {
  return Object.hasOwn(DEFAULTS, key);
}

/** Node gives each byte of a request's target as one character. */
function bytesOf(character: string): Buffer {
  return Buffer.from(character, character.charCodeAt(0) > 0xff ? 'utf8' : 'latin1');
}

function escapeOf(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** Without `//`, `.` and `..` (`buffer_path_simplify`): what leads above the root stays in it. */
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
