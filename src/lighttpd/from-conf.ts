import { fail, readFunction, readNames, readText, type Check } from '../helpers/readers.js';
import { readOptions } from '../options/options.js';
import type { RuleOptions, TunnelOptions } from '../types.js';
import { everyBlock } from './blocks.js';
import { readDirectives } from './directives.js';
import { evaluate } from './evaluate.js';
import { isNamed } from './foreign.js';
import { readNotation } from './notation.js';
import { checkTimes } from './idle.js';
import { readNumber } from './readers.js';
import { rulesOf } from './rules.js';
import { readServerSettings, type ListenAddress } from './server.js';
import { at } from './source.js';

export type { ListenAddress } from './server.js';

/** How `fromLighttpdConf` reads. */
export interface LighttpdConfOptions {
  /**
   * The text that `include "path"` stands for. The path is as the configuration has it: relative ones and wildcards are the
   * function's to resolve (lighttpd: from the folder of the first file, `*` in alphabetical order). What it throws is an error
   * at the include. Default: an include is an error.
   */
  include?: (path: string) => string;
  /** The name in messages. Default `lighttpd.conf`. */
  file?: string;
  /** What `env.NAME` is. Default `process.env`. */
  environment?: Readonly<Record<string, string | undefined>>;
  /**
   * Directives to pass over knowingly, because the app takes care of them: names such as `'auth.require'`, beginnings such
   * as `'ssl.*'`, and `'include_shell'`. Those of the tunnel itself can't be passed over. Default: none.
   */
  ignore?: readonly string[];
}

/** What a lighttpd.conf says. */
export interface LighttpdConf extends ListenAddress {
  /** For `wstunnel()`. */
  options: TunnelOptions;
  /** lighttpd: `server.document-root`. */
  documentRoot?: string;
  /** lighttpd: `index-file.names`. */
  indexFiles?: string[];
  /** lighttpd: `server.max-connections`, for `server.maxConnections`. */
  maxConnections?: number;
  /** Further sockets to listen on (lighttpd: `$SERVER["socket"] == "..." { }`). */
  sockets?: ListenAddress[];
}

/** Where no directive says otherwise: lighttpd's, not ours. Its times are in idle.ts. */
const LIGHTTPD_DEFAULTS = { frameType: 'text', origins: '*' } as const satisfies RuleOptions;

/**
 * Reads a lighttpd configuration's wstunnel part into the options of `wstunnel()`, with lighttpd's defaults: text frames, every
 * origin, no pings, and a tunnel that was silent for 60 seconds (`server.max-read-idle`) ends; with `wstunnel.ping-interval` only
 * one whose client is dead. Conditions become rules in the same order, `else` included.
 *
 * What can't be honoured is a {@link TunnelError} WSTUNNEL_OPTION that begins with `file:line:column` and tells the way out:
 * directives that guard or redirect requests (`auth.*`, `url.access-deny`, `ssl.*`, ...), `include_shell`, which is never run,
 * and regular expressions that JavaScript reads in another way or that a hostile request could keep busy. `ignore` passes
 * directives over knowingly. Those without bearing on a tunnel (logs, MIME types, the process) are left out.
 *
 * `$HTTP["url"]`, `$HTTP["querystring"]` and the keys of `wstunnel.server` are compared with the path (within the mount) and
 * query as lighttpd reads them (`server.http-parseopts`): decoded, without `//`, `.` and `..`. An app's own middleware sees
 * what was sent. So where one of them looks at the path, a path that is not in its normal form, such as `/desk/%61dmin`, is
 * refused with 403. That belongs to the objects in `options`: they may be spread and merged, but a copy through JSON or
 * `structuredClone` is read as options written by hand.
 */
export function fromLighttpdConf(text: string, options: LighttpdConfOptions = {}): LighttpdConf {
  checkArguments(text, options);
  const { include, file = 'lighttpd.conf', environment = process.env, ignore = [] } = options;
  const source = { name: file, text };
  const ignored = ignore.map((name) => name.toLowerCase());
  const root = evaluate(source, { include, environment, ignores: (name) => isNamed(name, ignored) });
  const debug = root.settings.get('wstunnel.debug');
  const how = { ignore: ignored, notation: readNotation(root) };
  const rules = rulesOf(root, how);
  const tunnel: TunnelOptions = {
    ...LIGHTTPD_DEFAULTS,
    ...readDirectives(root, how),
    ...(debug ? { debug: readNumber(debug.value, 'wstunnel.debug', 65535) } : {}),
    ...(rules.length > 0 ? { rules } : {}),
  };
  checkTimes(everyBlock(root));
  at({ source, offset: 0 }, () => readOptions(tunnel));
  return { options: tunnel, ...readServerSettings(root) };
}

const OPTIONS: Readonly<Record<keyof LighttpdConfOptions, Check>> = {
  include: readFunction,
  file: readText,
  environment: (value, name) => {
    if (typeof value !== 'object' || value === null) fail(name, 'must be an object', value);
  },
  ignore: (value, name) => {
    if (!Array.isArray(value)) fail(name, 'must be a list of directives such as "ssl.*"', value);
    for (const one of value as unknown[])
      if (typeof one !== 'string' || !/^[\w.-]+\*?$/.test(one))
        fail(name, 'lists directives such as "auth.require" or "ssl.*"', one);
  },
};

function checkArguments(text: unknown, options: unknown): void {
  if (typeof text !== 'string') fail('lighttpd.conf', 'must be a string', text);
  readNames(options, 'options', OPTIONS);
}
