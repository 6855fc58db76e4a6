import { TunnelError } from '../errors.js';
import { fail, readFunction, readNames, readText, type Check } from '../options/checks.js';
import type { TunnelOptions } from '../types.js';
import type { IncludedText } from './include/read-includes.js';
import { readConf } from './read-conf.js';
import type { ListenAddress } from './conditions/listen-address.js';

export type { IncludedText } from './include/read-includes.js';
export type { ListenAddress } from './conditions/listen-address.js';

/** How `fromLighttpdConf` reads. */
export interface LighttpdConfOptions {
  /**
   * `true`: includes are read from the disk as lighttpd does, relative ones from the folder of `file`, `conf-enabled/*.conf` in
   * alphabetical order. A function: the text that `include "path"` stands for, or a list of texts with the names of their files;
   * the path is as the configuration has it. What the function throws is an error at the include. Default: an include is an error.
   */
  include?: true | ((path: string) => string | readonly IncludedText[]);
  /** The name in messages. Default `lighttpd.conf`. */
  file?: string;
  /** What `env.NAME` is. Default `process.env`. */
  environment?: Readonly<Record<string, string | undefined>>;
  /**
   * Directives to pass over knowingly, because the app takes care of them: names such as `'auth.require'`, beginnings such
   * as `'ssl.*'`, and `'include_shell'`. Those of the tunnel itself can't be passed over. Default: none.
   */
  ignore?: readonly string[];
  /** Gets a line for each directive that is left out: `lighttpd.conf:4: server.errorlog is left out`. Default: nobody is told. */
  warn?: (line: string) => void;
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

/**
 * Reads a lighttpd configuration's wstunnel part into the options of `wstunnel()`, with lighttpd's defaults: text frames, every
 * origin, no pings, and a tunnel that was silent for 60 seconds (`server.max-read-idle`) ends; with `wstunnel.ping-interval` only
 * one whose client is dead. Conditions become rules in the same order, `else` included.
 *
 * What can't be honoured is one {@link TunnelError} WSTUNNEL_OPTION with a line for each problem, which begins with
 * `file:line:column` and tells the way out: directives that guard or redirect requests (`auth.*`, `url.access-deny`, `ssl.*`, ...), `include_shell`, which is never run,
 * and regular expressions that JavaScript reads in another way or that a hostile request could keep busy. `ignore` passes
 * directives over knowingly. Those without bearing on a tunnel (logs, MIME types, the process) are left out, and reported to `warn`.
 *
 * `$HTTP["url"]`, `$HTTP["querystring"]` and the keys of `wstunnel.server` are compared with the path (within the mount) and
 * query as lighttpd reads them (`server.http-parseopts`): decoded, without `//`, `.` and `..`. An app's own middleware sees
 * what was sent. So where one of them looks at the path, a path that is not in its normal form, such as `/desk/%61dmin`, is
 * refused with 403. That belongs to the objects in `options`: they may be spread and merged, but a copy through JSON or
 * `structuredClone` is read as options written by hand.
 */
export function fromLighttpdConf(text: string, options: LighttpdConfOptions = {}): LighttpdConf {
  checkArguments(text, options);
  const { warn, ...how } = options;
  const { problems, leftOut, conf } = readConf(text, { ...how, reader: 'app' });
  const [first] = problems;
  if (!conf || first) {
    const message = problems.map((problem) => problem.message).join('\n');
    throw new TunnelError(
      'WSTUNNEL_OPTION',
      message,
      first && 'cause' in first ? { cause: first.cause } : {},
    );
  }
  if (warn) for (const { place, name } of leftOut) warn(`${place}: ${name} is left out`);
  return conf;
}

const OPTIONS: Readonly<Record<keyof LighttpdConfOptions, Check>> = {
  include: (value, name) => {
    if (value !== true) readFunction(value, name);
  },
  warn: readFunction,
  file: readText,
  environment: (value, name) => {
    if (typeof value !== 'object' || value === null) fail(name, 'must be an object', value);
  },
  ignore: readDirectiveNames,
};

/** Names of directives, and beginnings of names. */
export function readDirectiveNames(value: unknown, name: string): void {
  if (!Array.isArray(value)) fail(name, 'must be a list of directives such as "ssl.*"', value);
  for (const one of value as unknown[])
    if (typeof one !== 'string' || !/^[\w.-]+\*?$/.test(one))
      fail(name, 'lists directives such as "auth.require" or "ssl.*"', one);
}

function checkArguments(text: unknown, options: unknown): void {
  if (typeof text !== 'string') fail('lighttpd.conf', 'must be a string', text);
  readNames(options, 'options', OPTIONS);
}
