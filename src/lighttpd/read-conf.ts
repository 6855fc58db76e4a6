import { TunnelError } from '../errors.js';
import { readOptions } from '../options/options.js';
import type { RuleOptions, TunnelOptions } from '../types.js';
import { everyBlock, type Block } from './evaluate/blocks.js';
import { readDirectives, type LeftOutDirective, type ReadingContext } from './directives/read-directives.js';
import { evaluate, type EvaluationContext } from './evaluate/evaluation.js';
import { matchesName, type ConfReader } from './directives/refused-directives.js';
import type { LighttpdConf } from './from-conf.js';
import { checkIdleTimes } from './directives/idle-times.js';
import { includeFrom } from './include/read-includes.js';
import { DEFAULT_NOTATION, readNotation } from './conditions/url-notation.js';
import { readPages, type Pages } from './directives/page-directives.js';
import { Problems, problemOf, type Problem } from './syntax/problems.js';
import { readNumberValue, readStringValue } from './evaluate/value-readers.js';
import { rulesOf } from './directives/condition-rules.js';
import { readServerSettings } from './directives/server-directives.js';
import { checkAt, failAt, fileAndLine, type Place, type Source } from './syntax/source.js';

/** How a configuration is read, and for whom. */
export interface ConfOptions extends Partial<Pick<EvaluationContext, 'environment'>> {
  readonly reader: ConfReader;
  readonly include?: true | EvaluationContext['include'];
  readonly file?: string;
  readonly ignore?: readonly string[];
}

/** All that a configuration says, and all that is wrong with it. */
export interface ConfReading {
  readonly problems: readonly Problem[];
  /** In the order of the texts. */
  readonly leftOut: readonly LeftOutDirective[];
  /** Undefined where there are problems. */
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

/** Where no directive says otherwise: lighttpd's, not ours. Its times are in idle.ts. */
const LIGHTTPD_DEFAULTS = { frameType: 'text', origins: '*' } as const satisfies RuleOptions;

/** Reads a configuration, and goes on after what is wrong, so that all of it is reported. */
export function readConf(text: string, options: ConfOptions): ConfReading {
  const { file = 'lighttpd.conf' } = options;
  const source = { name: file, text };
  const problems = new Problems();
  const found: { directive: LeftOutDirective; place: Place }[] = [];
  const leaveOut: ReadingContext['leaveOut'] = (directive, place) => found.push({ directive, place });
  const leftOutOf = () =>
    found
      .sort((one, other) => problems.rankOf(one.place) - problems.rankOf(other.place))
      .map(({ directive }) => directive);
  try {
    const whole = readSource(source, options, problems, leaveOut);
    const all = problems.all;
    const leftOut = leftOutOf();
    return all.length > 0 ? { problems: all, leftOut } : { problems: [], leftOut, ...whole };
  } catch (error) {
    // A limit: what was found before it counts as well.
    if (!(error instanceof TunnelError)) throw error;
    return { problems: [...problems.all, problemOf(error)], leftOut: leftOutOf() };
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
        ? "write what the command prints into a file, or give ignore: ['include_shell']"
        : 'write what the command prints into a file and include that, or pass it over by --ignore include_shell',
    problems,
  });
  const debug = root.settings.get('wstunnel.debug');
  const notation = problems.try(() => readNotation(root)) ?? DEFAULT_NOTATION;
  const how: ReadingContext = { reader, ignore: ignored, notation, problems, leaveOut };
  const rules = rulesOf(root, how);
  const level = debug && problems.try(() => readNumberValue(debug.value, 'wstunnel.debug', 65535));
  const tunnel: TunnelOptions = {
    ...LIGHTTPD_DEFAULTS,
    ...readDirectives(root, how),
    ...(level === undefined ? {} : { debug: level }),
    ...(rules.length > 0 ? { rules } : {}),
  };
  problems.try(() => checkIdleTimes(everyBlock(root)));
  const settings = readServerSettings(root, how);
  const forCommand = reader === 'command' ? { pages: readPages(root, how), ...userOf(root, problems) } : {};
  if (reader === 'command' && !problems.isIncomplete) problems.try(() => checkServer(root, source));
  if (problems.all.length === 0)
    problems.try(() => checkAt({ source, offset: 0 }, () => readOptions(tunnel)));
  return { conf: { options: tunnel, ...settings }, ...forCommand };
}

/** The command without a tunnel is a mistake; an app may have others. */
function checkServer(root: Block, source: Source): void {
  const servers = everyBlock(root).flatMap(({ settings }) => settings.get('wstunnel.server') ?? []);
  if (!servers.some(({ value }) => value.kind !== 'list' || value.entries.length > 0))
    failAt(
      { source, offset: 0 },
      'nothing in here names a backend: wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 5900 ) ) )',
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
