import { nearest } from '../helpers/nearest.js';
import { RULE_OPTIONS } from '../options/options.js';
import type { BalanceName, RuleOptions } from '../types.js';
import { everyBlock, type Block, type Setting } from './blocks.js';
import { HARMLESS, insteadOf, isNamed } from './foreign.js';
import { readServer } from './hosts.js';
import { PING, READ_IDLE, readTimes } from './idle.js';
import { asBytes, PARSE_OPTIONS, type LighttpdNotation } from './notation.js';
import { escapePattern } from './patterns.js';
import { checkKeys, readKeyed, readNumber, readText, readTexts } from './readers.js';
import { at, failAt } from './source.js';
import type { Value } from './values.js';

/** How a configuration is read. */
export interface Reading {
  /** Directives to pass over, in lower case. */
  readonly ignore: readonly string[];
  readonly notation: LighttpdNotation;
}

/** The directives of a tunnel that conditions may change. */
const TUNNEL: Readonly<Record<string, (value: Value, name: string, how: Reading) => RuleOptions>> = {
  'wstunnel.server': (value, _name, { notation }) => ({ server: readServer(value, notation) }),
  'wstunnel.balance': (value, name) => {
    // Empty is lighttpd's default; one that is unknown it takes for that as well, after a line in its log.
    const balance = (readText(value, name) || 'fair') as BalanceName;
    at(value, () => RULE_OPTIONS.balance(balance, name));
    return { balance };
  },
  'wstunnel.map-extensions': (value, name) => {
    const entries = readKeyed(value, name, '( ".suffix" => "key of wstunnel.server" )');
    checkKeys(entries, name);
    return {
      mapExtensions: Object.fromEntries(
        entries.map(({ key, value: text }) => [asBytes(key), asBytes(readText(text, name))]),
      ),
    };
  },
  'wstunnel.frame-type': (value, name) => {
    const frameType = readText(value, name).toLowerCase();
    if (frameType !== 'text' && frameType !== 'binary')
      return failAt(value, `${name} must be "text" or "binary"`);
    return { frameType };
  },
  'wstunnel.origins': (value, name) => ({ origins: readOrigins(value, name) }),
  [PING]: () => ({}),
  [READ_IDLE]: () => ({}),
  // A tunnel streams whatever these say, in lighttpd as well (`http_response_upgrade_read_body_unknown`).
  'server.stream-request-body': readStreaming,
  'server.stream-response-body': readStreaming,
};

/** The directives of the whole server. */
export const SERVER = [
  ...['server.port', 'server.bind', 'server.document-root', 'index-file.names', 'server.indexfiles'],
  ...['server.max-connections', 'server.use-ipv6', 'wstunnel.debug', PARSE_OPTIONS],
];

/** Does a block say anything: about tunnels, or only what is none of our business? */
export interface Contents {
  readonly ours: boolean;
  readonly foreign: boolean;
}

export function contentsOf(block: Block): Contents {
  const names = everyBlock(block).flatMap(({ settings }) => [...settings.keys()]);
  const said = names.filter((name) => !isVariable(name));
  return { ours: said.some(isOurs), foreign: said.some((name) => !isOurs(name)) };
}

/** What a block's own directives come to. */
export function readDirectives(block: Block, how: Reading): RuleOptions {
  const options: RuleOptions = {};
  for (const [name, setting] of block.settings) {
    const read = Object.hasOwn(TUNNEL, name) ? TUNNEL[name] : undefined;
    if (read) Object.assign(options, read(setting.value, name, how));
    else if (!isVariable(name)) checkOther(name, setting, block, how.ignore);
  }
  return { ...options, ...readTimes(block) };
}

function checkOther(name: string, setting: Setting, block: Block, ignore: readonly string[]): void {
  if (SERVER.includes(name)) {
    if (block.parent && !isNamed(name, ignore))
      failAt(setting, `${name} is the whole server's; it can't be set in a condition`);
    return;
  }
  if (isNamed(name, HARMLESS) || isNamed(name, ignore)) return;
  const instead = insteadOf(name);
  if (instead !== undefined)
    failAt(
      setting,
      `${name} can't be honoured by the tunnel: ${instead}. Once that is done, leave it out or give ignore: ['${name}']`,
    );
  const near = nearest(name, [...Object.keys(TUNNEL), ...SERVER]);
  failAt(
    setting,
    `${name} is not known${near === undefined ? '' : `; did you mean ${near}?`} If it has no bearing on the tunnel, leave it out or ` +
      `give ignore: ['${name}']`,
  );
}

/** lighttpd compares the end of the Origin as it was sent: all of it, or behind a dot (`wstunnel_is_allowed_origin`). */
function readOrigins(value: Value, name: string): NonNullable<RuleOptions['origins']> {
  const origins = readTexts(value, name).map(({ text, place }) => {
    if (text === '') failAt(place, `${name} has an empty string`);
    return new RegExp(`(?:^|\\.)${escapePattern(text)}$`);
  });
  return origins.length === 0 ? '*' : origins;
}

function readStreaming(value: Value, name: string): RuleOptions {
  readNumber(value, name, 65535);
  return {};
}

function isOurs(name: string): boolean {
  return Object.hasOwn(TUNNEL, name) || SERVER.includes(name);
}

function isVariable(name: string): boolean {
  return name.startsWith('var.');
}
