import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { hideLogin } from '../../../helpers/hide-login.js';
import { messageOf, type TunnelError } from '../../../errors.js';
import { namedOf, OPTIONS_OBJECT, unknownName } from '../../../options/checks/names.js';
import { complaintAbout } from '../../../options/checks/option-error.js';
import type { OptionPath } from '../../../options/checks/option-path.js';
import { HOST_OPTIONS } from '../../../options/host-options.js';
import { isAbstractSocket } from '../../../sockets/socket-path.js';
import { parseBackend, TARGET_RULE } from '../../command-line/bind-and-target.js';
import { readFirstLine, reasonOf } from '../../files.js';

/** The values of a file as options. */
interface FromJson {
  readonly value: unknown;
  readonly problems: readonly TunnelError[];
  /** Files with keys and passwords for backends, which no other user should be able to read. */
  readonly privateFiles: readonly string[];
}

/** Replaces an invalid expression, so that one fault in a list is reported once. */
const NEVER = /(?!)/;

/** The keys of `vnc` in a file. */
const VNC_KEYS = ['passwordFile', 'username', 'viewOnly', 'inputIdleTimeout'];

/** `vncpasswd` and `x11vnc -storepasswd` write 8 encrypted bytes. */
// eslint-disable-next-line no-control-regex
const NOT_TEXT = /[\0-\x08\x0e-\x1f\x7f\ufffd]/;

type Named = Readonly<Record<string, unknown>>;

/**
 * Turns the middleware's options in JSON into the options that a program would give: `"^/vnc"` becomes a regular expression, a
 * target as on the command line becomes a host, a path is resolved against the file's folder, and the path of a certificate, key or
 * password becomes the content of that file.
 */
export function fromJson(value: unknown, folder: string): FromJson {
  const reader = new JsonReader(folder);
  return {
    value: reader.options(value, OPTIONS_OBJECT),
    problems: reader.problems,
    privateFiles: reader.privateFiles,
  };
}

class JsonReader {
  readonly problems: TunnelError[] = [];
  readonly privateFiles: string[] = [];
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The options of the top level, or of a rule. */
  options(value: unknown, path: OptionPath): unknown {
    return mapNamed(value, {
      url: (one) => this.#patterns(one, path.key('url')),
      server: (one) => this.#server(one, path.key('server')),
      when: (one) => this.#condition(one, path.key('when')),
      rules: (one) => mapList(one, (rule, index) => this.options(rule, path.key('rules').item(index))),
      else: (one) => this.options(one, path.key('else')),
      vnc: (one) => this.#vnc(one, path.key('vnc')),
    });
  }

  /** `^` begins a regular expression, as on the command line. */
  #patterns(value: unknown, path: OptionPath): unknown {
    const one = (text: unknown) =>
      typeof text === 'string' && text.startsWith('^') ? (this.#regExp(text, path) ?? NEVER) : text;
    return Array.isArray(value) ? value.map(one) : one(value);
  }

  #regExp(text: unknown, path: OptionPath): unknown {
    if (typeof text !== 'string') return text;
    try {
      return new RegExp(text);
    } catch {
      return this.#invalid(path, `"${hideLogin(text)}" is not a regular expression`);
    }
  }

  #condition(value: unknown, path: OptionPath): unknown {
    const text = (one: unknown, textPath: OptionPath) =>
      mapNamed(one, {
        matches: (given) => this.#regExp(given, textPath.key('matches')),
        notMatches: (given) => this.#regExp(given, textPath.key('notMatches')),
      });
    const texts = (names: readonly string[], around: OptionPath) =>
      Object.fromEntries(names.map((key) => [key, (one: unknown) => text(one, around.key(key))]));
    const several = (list: unknown, listPath: OptionPath) =>
      mapList(list, (one, index) => this.#condition(one, listPath.item(index)));
    return mapNamed(value, {
      url: (one) => text(this.#patterns(one, path.key('url')), path.key('url')),
      ...texts(['host', 'remoteAddress', 'query'], path),
      headers: (headers) => mapNamed(headers, texts(Object.keys(headers ?? {}), path.key('headers'))),
      all: (list) => several(list, path.key('all')),
      any: (list) => several(list, path.key('any')),
      not: (one) => this.#condition(one, path.key('not')),
    });
  }

  /** A host, a list, or a map; each host may be a text such as "127.0.0.1:5900". */
  #server(value: unknown, path: OptionPath): unknown {
    if (Array.isArray(value)) return mapList(value, (one, index) => this.#server(one, path.item(index)));
    if (typeof value === 'string') return this.#target(value, path);
    if (!isNamed(value)) return value;
    const isHost = Object.keys(value).some((key) => Object.hasOwn(HOST_OPTIONS, key));
    if (isHost) return this.#host(value, path);
    const entries = Object.entries(value);
    return Object.fromEntries(entries.map(([key, one]) => [key, this.#server(one, path.entry(key))]));
  }

  #target(text: string, path: OptionPath): unknown {
    const host = parseBackend(text);
    if (host) return this.#host({ ...host }, path);
    this.#invalid(path, `"${hideLogin(text)}" is not a target: ${TARGET_RULE}`);
    // A host that is never dialled, so that one fault in a list is reported once.
    return { port: 1 };
  }

  #host(host: Named, path: OptionPath): unknown {
    return mapNamed(host, {
      socket: (socket) => this.#file(socket),
      tls: (tls) =>
        mapNamed(tls, {
          ca: (one) => this.#pem(one, path.key('tls').key('ca'), false),
          cert: (one) => this.#pem(one, path.key('tls').key('cert'), false),
          key: (one) => this.#pem(one, path.key('tls').key('key'), true),
          pfx: (one) => this.#pem(one, path.key('tls').key('pfx'), true),
        }),
      // A program without a slash is searched in PATH.
      spawn: (spawn) =>
        mapNamed(spawn, {
          path: (program) =>
            typeof program === 'string' && program.includes('/') ? this.#file(program) : program,
        }),
    });
  }

  /** The password is in a file of its own: other users may read this file. */
  #vnc(value: unknown, path: OptionPath): unknown {
    if (!isNamed(value))
      return this.#invalid(
        path,
        'must be an object such as { "passwordFile": "desk.password", "viewOnly": true }',
      );
    for (const key of Object.keys(value))
      if (!VNC_KEYS.includes(key) && key !== 'password') this.problems.push(unknownName(path, key, VNC_KEYS));
    if (value['password'] !== undefined)
      this.#invalid(
        path.key('password'),
        'other users may read it here: write the password into a file, and name the file with "passwordFile"',
      );
    const { passwordFile, username, ...others } = namedOf(value, VNC_KEYS);
    if (passwordFile === undefined) {
      if (username !== undefined) this.#invalid(path.key('username'), 'needs "passwordFile"');
      return others;
    }
    const password = this.#secret(passwordFile, path.key('passwordFile'));
    // Without a password, a check would report the name as well.
    return password === undefined ? others : { ...others, username, password };
  }

  #secret(value: unknown, path: OptionPath): unknown {
    if (typeof value !== 'string' || value === '')
      return this.#invalid(path, 'must be the path of a file with the password in its first line');
    const file = resolve(this.#folder, value);
    this.privateFiles.push(file);
    try {
      const secret = readFirstLine(file, 'the password of the VNC server');
      if (NOT_TEXT.test(secret))
        return this.#invalid(path, 'the file must have the password as text; a file of vncpasswd has not');
      return secret;
    } catch (error) {
      return this.#invalid(path, messageOf(error));
    }
  }

  #file(path: unknown): unknown {
    if (typeof path !== 'string' || path === '' || isAbstractSocket(path)) return path;
    return resolve(this.#folder, path);
  }

  /** A text in PEM form, or the content of the file with this path. */
  #pem(value: unknown, path: OptionPath, isPrivate: boolean): unknown {
    if (Array.isArray(value)) return value.map((one) => this.#pem(one, path, isPrivate));
    if (typeof value !== 'string' || value === '' || value.includes('-----BEGIN')) return value;
    const file = resolve(this.#folder, value);
    if (isPrivate) this.privateFiles.push(file);
    try {
      return readFileSync(file);
    } catch (error) {
      // Without the name of a private file: the text may be the key itself.
      return this.#invalid(path, `${isPrivate ? 'the file' : file}: ${reasonOf(error)}`);
    }
  }

  /** Reports an invalid value and leaves the value out, so that no check reports it again. */
  #invalid(path: OptionPath, message: string): unknown {
    this.problems.push(complaintAbout(path, `${String(path)}: ${message}`));
    return undefined;
  }
}

function isNamed(value: unknown): value is Named {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  // The text may already be a regular expression.
  return isObject && !(value instanceof RegExp);
}

/** A copy in which some values are changed. */
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
