import { TunnelError } from '../errors.js';
import { readOptions } from '../options/read-tunnel.js';
import type { RuleOptions, TunnelOptions } from '../types.js';
import { DEFAULT_NOTATION, readNotation } from './conditions/url-notation.js';
import { rulesOf } from './directives/condition-rules.js';
import { matchesName, type ConfReader } from './directives/directive-names.js';
import { checkIdleTimes } from './directives/idle-times.js';
import { readPages, type Pages } from './directives/page-directives.js';
import { readDirectives } from './directives/read-directives.js';
import type { LeftOutDirective, ReadingContext } from './directives/reading-context.js';
import { readServerSettings } from './directives/server-directives.js';
import { everyBlock, type Block } from './evaluate/blocks.js';
import { evaluate, type EvaluationContext } from './evaluate/evaluation.js';
import { readNumberValue, readStringValue } from './evaluate/value-readers.js';
import { includeFrom } from './include/read-includes.js';
import type { LighttpdConf } from './lighttpd-conf.js';
import { problemOf, Problems, type Problem } from './syntax/problems.js';
import { checkAt, failAt, fileAndLine, type Place, type Source } from './syntax/source.js';

/** How to read a configuration, and for which reader. */
interface ConfOptions extends Partial<Pick<EvaluationContext, 'environment'>> {
  readonly reader: ConfReader;
  readonly include?: true | EvaluationContext['include'];
  readonly file?: string;
  readonly ignore?: readonly string[];
}

/** The settings of a configuration, and its problems. */
export interface ConfReading {
  readonly problems: readonly Problem[];
  /** In the order of the sources. */
  readonly leftOut: readonly LeftOutDirective[];
  /** Undefined if there are problems. */
  readonly conf?: LighttpdConf;
  /** For the command alone. */
  readonly pages?: Pages;
  readonly user?: ConfUser;
}

/** `server.username` and `server.groupname`. */
export interface ConfUser {
  readonly user?: string;
  readonly group?: string;
  /** `file:line` */
  readonly place: string;
}

/** The defaults of lighttpd that differ from ours. idle-times.ts has the defaults of lighttpd's times. */
const LIGHTTPD_DEFAULTS = { frameType: 'text', origins: '*' } as const satisfies RuleOptions;

/** Reads a configuration. Reading continues after a problem, so that every problem is reported. */
export function readConf(text: string, options: ConfOptions): ConfReading {
  const { file = 'lighttpd.conf' } = options;
  const source = { name: file, text };
  const problems = new Problems();
  const found: { directive: LeftOutDirective; place: Place }[] = [];
  const leaveOut: ReadingContext['leaveOut'] = (directive, place) => found.push({ directive, place });
  const leftOutInOrder = () =>
    found
      .sort((one, other) => problems.rankOf(one.place) - problems.rankOf(other.place))
      .map(({ directive }) => directive);
  try {
    const settings = readSource(source, options, problems, leaveOut);
    const all = problems.all;
    const leftOut = leftOutInOrder();
    return all.length > 0 ? { problems: all, leftOut } : { problems: [], leftOut, ...settings };
  } catch (error) {
    // Reading stopped at a size limit: the problems found so far are reported too.
    if (!(error instanceof TunnelError)) throw error;
    return { problems: [...problems.all, problemOf(error)], leftOut: leftOutInOrder() };
  }
}

function readSource(
  source: Source,
  { reader, include, file = 'lighttpd.conf', environment = process.env, ignore = [] }: ConfOptions,
  problems: Problems,
  leaveOut: ReadingContext['leaveOut'],
): Pick<ConfReading, 'conf' | 'pages' | 'user'> {
  const ignored = ignore.map((name) => name.toLowerCase());
  const isShellIgnored = matchesName('include_shell', ignored);
  const root = evaluate(source, {
    include: include === true ? includeFrom(file) : include,
    environment,
    ignoresShell: (place) => {
      if (isShellIgnored)
        leaveOut({ name: 'include_shell', place: fileAndLine(place), isIgnored: true }, place);
      return isShellIgnored;
    },
    insteadOfShell:
      reader === 'app'
        ? "write the output of its command into a file and include that file, or give ignore: ['include_shell']"
        : 'write the output of its command into a file and include that file, or skip it with --ignore include_shell',
    problems,
  });
  const debug = root.settings.get('wstunnel.debug');
  const notation = problems.try(() => readNotation(root)) ?? DEFAULT_NOTATION;
  const context: ReadingContext = { reader, ignore: ignored, notation, problems, leaveOut };
  const rules = rulesOf(root, context);
  const level = debug && problems.try(() => readNumberValue(debug.value, 'wstunnel.debug', 65535));
  const tunnel: TunnelOptions = {
    ...LIGHTTPD_DEFAULTS,
    ...readDirectives(root, context),
    ...(level === undefined ? {} : { debug: level }),
    ...(rules.length > 0 ? { rules } : {}),
  };
  problems.try(() => checkIdleTimes(everyBlock(root)));
  const settings = readServerSettings(root, context);
  const forCommand =
    reader === 'command' ? { pages: readPages(root, context), ...userOf(root, problems) } : {};
  if (reader === 'command' && !problems.isIncomplete) problems.try(() => checkHasBackend(root, source));
  if (problems.all.length === 0)
    problems.try(() => checkAt({ source, offset: 0 }, () => readOptions(tunnel)));
  return { conf: { options: tunnel, ...settings }, ...forCommand };
}

/** For the command: without a backend the command has nothing to serve. An app may have tunnels that are configured elsewhere. */
function checkHasBackend(root: Block, source: Source): void {
  const servers = everyBlock(root).flatMap(({ settings }) => settings.get('wstunnel.server') ?? []);
  if (!servers.some(({ value }) => value.kind !== 'list' || value.entries.length > 0))
    failAt(
      { source, offset: 0 },
      'the configuration names no backend: add wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 5900 ) ) )',
    );
}

function userOf(root: Block, problems: Problems): { user?: ConfUser } {
  const text = (name: string) => {
    const given = root.settings.get(name);
    const value = given && problems.try(() => readStringValue(given.value, name));
    return given && value !== undefined && value !== '' ? { value, place: fileAndLine(given) } : undefined;
  };
  const [user, group] = [text('server.username'), text('server.groupname')];
  const place = (user ?? group)?.place;
  if (place === undefined) return {};
  return { user: { ...(user && { user: user.value }), ...(group && { group: group.value }), place } };
}
