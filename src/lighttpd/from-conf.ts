import { TunnelError } from '../errors.js';
import { fail, type Check } from '../options/checks/fail.js';
import { checkNames, OPTIONS_OBJECT } from '../options/checks/names.js';
import type { OptionRef } from '../options/checks/option-path.js';
import { checkFunction, checkText } from '../options/checks/basic.js';
import type { LighttpdConf, LighttpdConfOptions } from './lighttpd-conf.js';
import { readConf } from './read-conf.js';

export type { ListenAddress } from './conditions/listen-address.js';
export type { IncludedText } from './include/read-includes.js';
export type { LighttpdConf, LighttpdConfOptions } from './lighttpd-conf.js';

/**
 * Reads the wstunnel part of a lighttpd configuration into the options of `wstunnel()`, with lighttpd's defaults: text frames,
 * every origin and no pings. A tunnel ends after 60 seconds of silence (`server.max-read-idle`); with `wstunnel.ping-interval`,
 * only if the client is dead. Conditions become rules in the same order, `else` included.
 *
 * Throws one {@link TunnelError} WSTUNNEL_OPTION for a configuration that can't be applied, with a line for each problem; the line
 * begins with `file:line:column` and says what to do. Problems are directives that guard or redirect requests (`auth.*`,
 * `url.access-deny`, `ssl.*` ...), `include_shell`, which is never run, and regular expressions that JavaScript reads in another
 * way or that a hostile request could keep busy. `ignore` skips directives on purpose. Directives that do not concern a tunnel
 * (logs, MIME types, the process) are left out and reported to `warn`.
 *
 * `$HTTP["url"]`, `$HTTP["querystring"]` and the keys of `wstunnel.server` are compared with the path (within the mount path) and
 * the query as lighttpd reads them (`server.http-parseopts`): decoded, without `//`, `.` and `..`. The app's middleware sees the
 * path as the client sent it. So wherever such a condition reads the path, a path that is not in its normal form, such as
 * `/desk/%61dmin`, is refused with 403. The objects in `options` carry this behaviour: spreading and merging keep it, but a copy
 * through JSON or `structuredClone` behaves like options written by hand.
 */
export function fromLighttpdConf(text: string, options: LighttpdConfOptions = {}): LighttpdConf {
  checkArguments(text, options);
  const { warn, ...rest } = options;
  const { problems, leftOut, conf } = readConf(text, { ...rest, reader: 'app' });
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
    if (value !== true) checkFunction(value, name);
  },
  warn: checkFunction,
  file: checkText,
  environment: (value, name) => {
    if (typeof value !== 'object' || value === null) fail(name, 'must be an object', value);
  },
  ignore: readDirectiveNames,
};

/** Checks a list of directive names, which may end with a wildcard, such as `ssl.*`. */
export function readDirectiveNames(value: unknown, name: OptionRef): void {
  if (!Array.isArray(value)) fail(name, 'must be a list of directives such as "ssl.*"', value);
  for (const one of value as unknown[])
    if (typeof one !== 'string' || !/^[\w.-]+\*?$/.test(one))
      fail(name, 'must contain names of directives such as "auth.require" or "ssl.*"', one);
}

function checkArguments(text: unknown, options: unknown): void {
  if (typeof text !== 'string') fail('lighttpd.conf', 'must be a string', text);
  checkNames(options, OPTIONS_OBJECT, OPTIONS);
}
