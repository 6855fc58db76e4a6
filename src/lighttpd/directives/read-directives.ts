import { nearest } from '../../options/nearest.js';
import { RULE_OPTIONS } from '../../options/options.js';
import type { BalanceName, RuleOptions } from '../../types.js';
import { everyBlock, type Block, type Setting } from '../evaluate/blocks.js';
import {
  HARMLESS,
  commandCounterpart,
  replacementFor,
  matchesName,
  UNREPORTED,
  type ConfReader,
} from './refused-directives.js';
import { readWstunnelServer } from './wstunnel-server.js';
import { PING_INTERVAL, MAX_READ_IDLE, readIdleTimes } from './idle-times.js';
import { asBytes, PARSE_OPTIONS, type LighttpdNotation } from '../conditions/url-notation.js';
import { escapeRegExp } from '../conditions/pcre.js';
import { ACCESS_DIRECTIVES, PAGE_DIRECTIVES } from './page-directives.js';
import { asDirective, type Problems } from '../syntax/problems.js';
import {
  checkKeyOrder,
  readKeyedList,
  readNumberValue,
  readStringValue,
  readStringList,
} from '../evaluate/value-readers.js';
import { checkAt, errorAt, failAt, fileAndLine, type Place } from '../syntax/source.js';
import type { Value } from '../evaluate/values.js';

/** How a configuration is read. */
export interface ReadingContext {
  readonly reader: ConfReader;
  /** Directives to pass over, in lower case. */
  readonly ignore: readonly string[];
  readonly notation: LighttpdNotation;
  readonly problems: Problems;
  /** Gets each directive that is not taken over. */
  readonly leaveOut: (directive: LeftOutDirective, place: Place) => void;
}

/** A directive that is not taken over. */
export interface LeftOutDirective {
  readonly name: string;
  /** `file:line`. */
  readonly place: string;
  /** Was it passed over by the option `ignore`? */
  readonly isIgnored: boolean;
  /** What the command does in its place. */
  readonly instead?: string;
}

/** The directives of a tunnel that conditions may change. */
const TUNNEL_DIRECTIVES: Readonly<
  Record<string, (value: Value, name: string, how: ReadingContext) => RuleOptions>
> = {
  'wstunnel.server': (value, _name, { notation }) => ({ server: readWstunnelServer(value, notation) }),
  'wstunnel.balance': (value, name) => {
    // Empty is lighttpd's default; one that is unknown it takes for that as well, after a line in its log.
    const balance = (readStringValue(value, name) || 'fair') as BalanceName;
    checkAt(value, () => RULE_OPTIONS.balance(balance, name));
    return { balance };
  },
  'wstunnel.map-extensions': (value, name) => {
    const entries = readKeyedList(value, name, '( ".suffix" => "key of wstunnel.server" )');
    checkKeyOrder(entries, name);
    return {
      mapExtensions: Object.fromEntries(
        entries.map(({ key, value: text }) => [asBytes(key), asBytes(readStringValue(text, name))]),
      ),
    };
  },
  'wstunnel.frame-type': (value, name) => {
    const frameType = readStringValue(value, name).toLowerCase();
    if (frameType !== 'text' && frameType !== 'binary')
      return failAt(value, `${name} must be "text" or "binary"`);
    return { frameType };
  },
  'wstunnel.origins': (value, name) => ({ origins: readOrigins(value, name) }),
  [PING_INTERVAL]: () => ({}),
  [MAX_READ_IDLE]: () => ({}),
  // A tunnel streams whatever these say, in lighttpd as well (`http_response_upgrade_read_body_unknown`).
  'server.stream-request-body': readStreaming,
  'server.stream-response-body': readStreaming,
};

/** Further ones that the command takes: an app serves clients by options of its own. */
const COMMAND_DIRECTIVES: typeof TUNNEL_DIRECTIVES = {
  'server.max-write-idle': (value, name) => {
    const writeTimeout = readNumberValue(value, name);
    checkAt(value, () => RULE_OPTIONS.writeTimeout(writeTimeout, name));
    return { writeTimeout };
  },
};

/** The user of the process; the command takes it. */
export const PROCESS_DIRECTIVES = ['server.username', 'server.groupname'];

/** The directives of the whole server. */
export const SERVER_DIRECTIVES = [
  ...['server.port', 'server.bind', 'server.document-root', 'index-file.names', 'server.indexfiles'],
  ...['server.max-connections', 'server.use-ipv6', 'wstunnel.debug', PARSE_OPTIONS],
];

/** Does a block say anything: about tunnels, or only what is none of our business? */
export interface BlockContents {
  readonly ours: boolean;
  readonly foreign: boolean;
  readonly tls: boolean;
}

export function contentsOf(block: Block, reader: ConfReader): BlockContents {
  const names = everyBlock(block).flatMap(({ settings }) => [...settings.keys()]);
  const said = names.filter((name) => !isVariable(name));
  return {
    ours: said.some((name) => isOurs(name, reader)),
    foreign: said.some((name) => !isOurs(name, reader)),
    tls: said.some((name) => name.startsWith('ssl.')),
  };
}

/** What a block's own directives come to. */
export function readDirectives(block: Block, how: ReadingContext): RuleOptions {
  const options: RuleOptions = {};
  const known =
    how.reader === 'command' ? { ...TUNNEL_DIRECTIVES, ...COMMAND_DIRECTIVES } : TUNNEL_DIRECTIVES;
  for (const [name, setting] of block.settings)
    how.problems.try(() => {
      const read = Object.hasOwn(known, name) ? known[name] : undefined;
      if (read) Object.assign(options, read(setting.value, name, how));
      else if (!isVariable(name)) checkOther(name, setting, block, how);
    });
  return { ...options, ...how.problems.try(() => readIdleTimes(block)) };
}

function checkOther(name: string, setting: Setting, block: Block, how: ReadingContext): void {
  const { reader, ignore } = how;
  if (SERVER_DIRECTIVES.includes(name)) {
    const isTaken = !block.parent || (reader === 'command' && PAGE_DIRECTIVES.includes(name));
    if (isTaken) return;
    if (!matchesName(name, ignore))
      throw asDirective(
        errorAt(setting, `${name} is the whole server's; it can't be set in a condition`),
        name,
      );
    leaveOut(name, setting, how, true);
    return;
  }
  if (matchesName(name, ignore)) {
    leaveOut(name, setting, how, true);
    return;
  }
  if (
    reader === 'command' &&
    (ACCESS_DIRECTIVES.includes(name) || (PROCESS_DIRECTIVES.includes(name) && !block.parent))
  )
    return;
  if (matchesName(name, HARMLESS)) {
    if (!UNREPORTED.includes(name)) leaveOut(name, setting, how, false);
    return;
  }
  throw asDirective(errorAt(setting, refusalOf(name, setting, block, reader)), name);
}

function leaveOut(name: string, setting: Setting, how: ReadingContext, isIgnored: boolean): void {
  const instead = commandCounterpart(name);
  const directive = {
    name,
    place: fileAndLine(setting),
    isIgnored,
    ...(instead !== undefined && { instead }),
  };
  how.leaveOut(directive, setting);
}

/** Why a directive is refused, and the way out. */
function refusalOf(name: string, setting: Setting, block: Block, reader: ConfReader): string {
  const isApp = reader === 'app';
  const instead = replacementFor(name, reader);
  if (instead !== undefined)
    return isApp
      ? `${name} can't be honoured by the tunnel: ${instead}. Once that is done, leave it out or give ignore: ['${name}']`
      : `${name} is not taken over: ${tlsOf(name, setting, block) ?? instead}; then pass it over by --ignore '${name}'`;
  const near = nearest(name, [...Object.keys(TUNNEL_DIRECTIVES), ...SERVER_DIRECTIVES]);
  const what = `${name} is not known${near === undefined ? '.' : `; did you mean ${near}?`}`;
  return isApp
    ? `${what} If it has no bearing on the tunnel, leave it out or give ignore: ['${name}']`
    : `${what} If it has no bearing on tunnels and pages, pass it over by --ignore '${name}'`;
}

const TLS_OPTIONS: Readonly<Record<string, string>> = {
  'ssl.pemfile': '--cert',
  'ssl.privkey': '--key',
  'ssl.verifyclient.ca-file': '--client-ca',
};

/** With the file's own name, and the socket's, so that the line can be copied. */
function tlsOf(name: string, { value }: Setting, block: Block): string | undefined {
  const option = TLS_OPTIONS[name];
  if (option === undefined || value.kind !== 'string') return undefined;
  const { condition } = block;
  const isSocket = condition?.object === 'SERVER';
  const listen = isSocket
    ? ` with --listen '${condition.text}' (a further command serves the sockets without TLS)`
    : '';
  return `start with ${option} '${value.text}'${listen}`;
}

/** lighttpd compares the end of the Origin as it was sent: all of it, or behind a dot (`wstunnel_is_allowed_origin`). */
function readOrigins(value: Value, name: string): NonNullable<RuleOptions['origins']> {
  const origins = readStringList(value, name).map(({ text, place }) => {
    if (text === '') failAt(place, `${name} has an empty string`);
    return new RegExp(`(?:^|\\.)${escapeRegExp(text)}$`);
  });
  return origins.length === 0 ? '*' : origins;
}

function readStreaming(value: Value, name: string): RuleOptions {
  readNumberValue(value, name, 65535);
  return {};
}

function isOurs(name: string, reader: ConfReader): boolean {
  if (reader === 'command' && Object.hasOwn(COMMAND_DIRECTIVES, name)) return true;
  return Object.hasOwn(TUNNEL_DIRECTIVES, name) || SERVER_DIRECTIVES.includes(name);
}

function isVariable(name: string): boolean {
  return name.startsWith('var.');
}
