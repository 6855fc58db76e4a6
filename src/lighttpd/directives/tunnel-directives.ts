import { oneOf } from '../../options/checks/basic.js';
import { RULE_OPTIONS } from '../../options/rule-options.js';
import type { BalanceName, RuleOptions } from '../../types.js';
import { escapeRegExp } from '../conditions/pcre.js';
import type { LighttpdNotation } from '../conditions/url-notation.js';
import {
  checkKeyOrder,
  readKeyedList,
  readNumberValue,
  readStringList,
  readStringValue,
} from '../evaluate/value-readers.js';
import type { Value } from '../evaluate/values.js';
import { byteString } from '../syntax/byte-string.js';
import { checkAt, failAt } from '../syntax/source.js';
import type { ConfReader } from './directive-names.js';
import { MAX_READ_IDLE, PING_INTERVAL } from './idle-times.js';
import { readWstunnelServer } from './wstunnel-server.js';

/** Translates a directive's value into options. Throws for an invalid value. */
type DirectiveReader = (value: Value, name: string, notation: LighttpdNotation) => RuleOptions;

/** The strategies of lighttpd. A strategy of ours alone is not valid in a lighttpd.conf. */
const checkBalanceName = oneOf([
  'fair',
  'least-connection',
  'round-robin',
  'hash',
  'sticky',
] as const satisfies readonly BalanceName[]);

/** The directives of a tunnel that conditions may change, one row each. */
const TUNNEL_DIRECTIVES: Readonly<Record<string, DirectiveReader>> = {
  'wstunnel.server': (value, _name, notation) => ({ server: readWstunnelServer(value, notation) }),
  'wstunnel.balance': (value, name) => {
    // An empty name is lighttpd's default. lighttpd logs an unknown name and uses the default; here an unknown name is an error.
    const balance = (readStringValue(value, name) || 'fair') as BalanceName;
    checkAt(value, () => checkBalanceName(balance, name));
    return { balance };
  },
  'wstunnel.map-extensions': (value, name) => {
    const entries = readKeyedList(value, name, '( ".suffix" => "key of wstunnel.server" )');
    checkKeyOrder(entries, name);
    return {
      mapExtensions: Object.fromEntries(
        entries.map(({ key, value: text }) => [byteString(key), byteString(readStringValue(text, name))]),
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
  // The two times depend on each other: see idle-times.ts.
  [PING_INTERVAL]: () => ({}),
  [MAX_READ_IDLE]: () => ({}),
  // A tunnel streams with any value, in lighttpd too (`http_response_upgrade_read_body_unknown`).
  'server.stream-request-body': readStreaming,
  'server.stream-response-body': readStreaming,
};

/** Directives that only the command applies: an app limits its clients by other options. */
const COMMAND_DIRECTIVES: typeof TUNNEL_DIRECTIVES = {
  'server.max-write-idle': (value, name) => {
    const writeTimeout = readNumberValue(value, name);
    checkAt(value, () => RULE_OPTIONS.writeTimeout.check(writeTimeout, name));
    return { writeTimeout };
  },
};

export const TUNNEL_DIRECTIVE_NAMES: readonly string[] = Object.keys(TUNNEL_DIRECTIVES);

/** Undefined if the name is not a directive of a tunnel. */
export function tunnelDirective(name: string, reader: ConfReader): DirectiveReader | undefined {
  if (Object.hasOwn(TUNNEL_DIRECTIVES, name)) return TUNNEL_DIRECTIVES[name];
  return reader === 'command' && Object.hasOwn(COMMAND_DIRECTIVES, name)
    ? COMMAND_DIRECTIVES[name]
    : undefined;
}

/**
 * lighttpd compares an entry with the end of the Origin header: the whole header, or the part after a dot
 * (`wstunnel_is_allowed_origin`).
 */
function readOrigins(value: Value, name: string): NonNullable<RuleOptions['origins']> {
  const origins = readStringList(value, name).map(({ text, place }) => {
    if (text === '') failAt(place, `${name} must not contain an empty string`);
    return new RegExp(`(?:^|\\.)${escapeRegExp(text)}$`);
  });
  return origins.length === 0 ? '*' : origins;
}

function readStreaming(value: Value, name: string): RuleOptions {
  readNumberValue(value, name, 65535);
  return {};
}
