import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { hideLogin } from '../../../helpers/hide-login.js';
import { optionError } from '../../../options/option-error.js';
import type { TunnelError } from '../../../errors.js';
import { isAbstractSocket } from '../../../sockets/socket-path.js';
import { HOST } from '../../../options/hosts.js';
import { parseTarget } from '../../command-line/addresses.js';
import { reasonOf } from '../../files.js';

/** What a file's values become. */
export interface FromJson {
  readonly value: unknown;
  readonly problems: readonly TunnelError[];
  /** Keys for backends: nobody else's to read. */
  readonly privateFiles: readonly string[];
}

type Named = Readonly<Record<string, unknown>>;

/**
 * The middleware's options as JSON has them, as a program would give them: `"^/vnc"` becomes a regular expression, a target as on the
 * command line a host, a path is taken from the file's folder, and the path of a certificate or key becomes what is in the file.
 */
export function fromJson(value: unknown, folder: string): FromJson {
  const reading = new Reading(folder);
  return {
    value: reading.options(value, ''),
    problems: reading.problems,
    privateFiles: reading.privateFiles,
  };
}

class Reading {
  readonly problems: TunnelError[] = [];
  readonly privateFiles: string[] = [];
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The options at the top, or of a rule. `prefix`: of the names in it. */
  options(value: unknown, prefix: string): unknown {
    return mapNamed(value, {
      url: (one) => this.#patterns(one, `${prefix}url`),
      server: (one) => this.#server(one, `${prefix}server`),
      when: (one) => this.#condition(one, `${prefix}when`),
      rules: (one) => mapList(one, (rule, index) => this.options(rule, `${prefix}rules[${index}].`)),
      else: (one) => this.options(one, `${prefix}else.`),
    });
  }

  /** `^` begins a regular expression, as on the command line. */
  #patterns(value: unknown, name: string): unknown {
    const one = (text: unknown) =>
      typeof text === 'string' && text.startsWith('^') ? this.#regExp(text, name) : text;
    return Array.isArray(value) ? value.map(one) : one(value);
  }

  #regExp(text: unknown, name: string): unknown {
    if (typeof text !== 'string') return text;
    try {
      return new RegExp(text);
    } catch {
      return this.#wrong(name, `"${hideLogin(text)}" is no regular expression`);
    }
  }

  #condition(value: unknown, name: string): unknown {
    const text = (one: unknown, textName: string) =>
      mapNamed(one, {
        matches: (given) => this.#regExp(given, `${textName}.matches`),
        notMatches: (given) => this.#regExp(given, `${textName}.notMatches`),
      });
    const several = (list: unknown, listName: string) =>
      mapList(list, (one, index) => this.#condition(one, `${listName}[${index}]`));
    return mapNamed(value, {
      url: (one) => text(this.#patterns(one, `${name}.url`), `${name}.url`),
      ...Object.fromEntries(
        ['host', 'remoteAddress', 'query'].map((key) => [key, (one: unknown) => text(one, `${name}.${key}`)]),
      ),
      headers: (headers) =>
        isNamed(headers)
          ? Object.fromEntries(
              Object.entries(headers).map(([key, one]) => [key, text(one, `${name}.headers.${key}`)]),
            )
          : headers,
      all: (list) => several(list, `${name}.all`),
      any: (list) => several(list, `${name}.any`),
      not: (one) => this.#condition(one, `${name}.not`),
    });
  }

  /** A host, a list, or a map; each host may be a text such as "127.0.0.1:5900". */
  #server(value: unknown, name: string): unknown {
    if (Array.isArray(value)) return mapList(value, (one, index) => this.#server(one, `${name}[${index}]`));
    if (typeof value === 'string') return this.#target(value, name);
    if (!isNamed(value)) return value;
    const isHost = Object.keys(value).some((key) => Object.hasOwn(HOST, key));
    if (isHost) return this.#host(value, name);
    const entries = Object.entries(value);
    return Object.fromEntries(
      entries.map(([key, one]) => [key, this.#server(one, `${name}[${JSON.stringify(key)}]`)]),
    );
  }

  #target(text: string, name: string): unknown {
    const host = parseTarget(text);
    if (host) return this.#host({ ...host }, name);
    this.#wrong(name, `"${hideLogin(text)}" is no target: HOST:PORT, PORT, unix:PATH or tls:HOST:PORT`);
    // Never dialled: it keeps the place in a list from being wrong in a second way.
    return { port: 1 };
  }

  #host(host: Named, name: string): unknown {
    return mapNamed(host, {
      socket: (path) => this.#path(path),
      tls: (tls) =>
        mapNamed(tls, {
          ca: (one) => this.#pem(one, `${name}.tls.ca`, false),
          cert: (one) => this.#pem(one, `${name}.tls.cert`, false),
          key: (one) => this.#pem(one, `${name}.tls.key`, true),
          pfx: (one) => this.#pem(one, `${name}.tls.pfx`, true),
        }),
      // One without a slash is looked for in PATH.
      spawn: (spawn) =>
        mapNamed(spawn, {
          path: (path) => (typeof path === 'string' && path.includes('/') ? this.#path(path) : path),
        }),
    });
  }

  #path(path: unknown): unknown {
    if (typeof path !== 'string' || path === '' || isAbstractSocket(path)) return path;
    return resolve(this.#folder, path);
  }

  /** The text itself, or a file with it. */
  #pem(value: unknown, name: string, isPrivate: boolean): unknown {
    if (Array.isArray(value)) return value.map((one) => this.#pem(one, name, isPrivate));
    if (typeof value !== 'string' || value === '' || value.includes('-----BEGIN')) return value;
    const path = resolve(this.#folder, value);
    if (isPrivate) this.privateFiles.push(path);
    try {
      return readFileSync(path);
    } catch (error) {
      // Not the path: somebody may have given the key itself in its place.
      return this.#wrong(name, `${isPrivate ? 'the file' : path}: ${reasonOf(error)}`);
    }
  }

  /** What is not given is not checked. */
  #wrong(name: string, message: string): unknown {
    this.problems.push(optionError(name, `${name}: ${message}`));
    return undefined;
  }
}

function isNamed(value: unknown): value is Named {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  // A text that has become one on the way.
  return isObject && !(value instanceof RegExp);
}

/** A copy with some of its values changed. */
function mapNamed(value: unknown, changes: Readonly<Record<string, (one: unknown) => unknown>>): unknown {
  if (!isNamed(value)) return value;
  const entries = Object.entries(value).map(([name, one]) => {
    const change = Object.hasOwn(changes, name) ? changes[name] : undefined;
    return [name, change ? change(one) : one];
  });
  return Object.fromEntries(entries);
}

function mapList(value: unknown, change: (one: unknown, index: number) => unknown): unknown {
  return Array.isArray(value) ? value.map(change) : value;
}
