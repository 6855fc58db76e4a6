import { compileAddresses } from '../../request/client-address.js';
import type { Condition, TextMatch } from '../../types.js';
import type { ConditionText } from '../evaluate/blocks.js';
import { LighttpdPath, LighttpdQuery, type LighttpdNotation } from './url-notation.js';
import { compilePcre, escapeRegExp } from './pcre.js';
import { readSocketCondition } from './listen-address.js';
import { byteString } from '../syntax/byte-string.js';
import { failAt } from '../syntax/source.js';

/** A condition as part of a rule. A required path becomes `url`, and rejects other paths early; any other condition becomes `when`. */
interface RuleHead {
  readonly url?: RegExp;
  readonly when?: Condition;
}

/** The fields of `$HTTP` that are request headers (`configparser_parse_condition` in src/configparser.y). */
const HEADERS: Readonly<Record<string, string>> = {
  referer: 'referer',
  cookie: 'cookie',
  useragent: 'user-agent',
  'user-agent': 'user-agent',
  language: 'accept-language',
};

/** Turns a condition of lighttpd into a condition of a rule. */
export function ruleHeadOf(condition: ConditionText, notation: LighttpdNotation): RuleHead {
  const { object, field, text } = condition;
  if (object === 'SERVER') return { when: { localPort: localPortOf(condition) } };
  if (object === 'REQUEST_HEADER') return { when: headerIs(field, condition) };
  if (object !== 'HTTP') return unknown(condition);
  const header = Object.hasOwn(HEADERS, field) ? HEADERS[field] : undefined;
  if (header !== undefined) return { when: headerIs(header, condition) };
  switch (field) {
    case 'url':
      return urlIs(condition, notation);
    case 'host':
      if (/\s/.test(text) || text === '')
        failAt(condition, '$HTTP["host"] must be compared with a host name');
      return { when: { host: matchOf(condition) } };
    case 'remoteip':
    case 'remote-ip':
      return { when: { remoteAddress: addressIs(condition) } };
    case 'querystring':
    case 'query-string':
      return { when: { query: queryIs(condition, notation) } };
    case 'scheme':
      return schemeIs(condition);
    case 'request-method':
      return failAt(
        condition,
        'the request of a tunnel is always a GET: move the directives for the tunnel out of this condition',
      );
    default:
      return unknown(condition);
  }
}

/** Sockets that share a port are refused in server-directives.ts. */
function localPortOf(condition: ConditionText): number {
  const { port } = readSocketCondition(condition.text, 0, condition);
  if (port === undefined || port === 0)
    return failAt(
      condition,
      'a condition on a unix socket, or on a socket without a port, is not supported: run a second command for this block',
    );
  return port;
}

function unknown({ object, field, source, offset }: ConditionText): never {
  return failAt({ source, offset }, `$${object}[${JSON.stringify(field)}] is not a known condition`);
}

function matchOf({ operator, text, ...place }: ConditionText): TextMatch {
  switch (operator) {
    case '==':
      return { equals: text };
    case '!=':
      return { notEquals: text };
    case '=~':
      return { matches: compilePcre(text, place) };
    case '!~':
      return { notMatches: compilePcre(text, place) };
    case '=^':
      return { startsWith: text };
    case '=$':
      return { endsWith: text };
  }
}

function headerIs(name: string, condition: ConditionText): Condition {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
    failAt(condition, `${JSON.stringify(name)} is not a valid header name`);
  return { headers: { [name.toLowerCase()]: matchOf(condition) } };
}

/** A required path becomes `url`, so that the other conditions do not delay requests for other paths. */
function urlIs(condition: ConditionText, notation: LighttpdNotation): RuleHead {
  const { operator } = condition;
  const { source, flags } = patternOf({ ...condition, text: byteString(condition.text) });
  const pattern = new LighttpdPath(source, flags, notation);
  if (operator === '!=' || operator === '!~') return { when: { url: { notMatches: pattern } } };
  return { url: pattern };
}

function queryIs(condition: ConditionText, notation: LighttpdNotation): TextMatch {
  const { operator } = condition;
  const { source, flags } = patternOf({ ...condition, text: notation.queryText(condition.text) });
  const pattern = new LighttpdQuery(source, flags, notation);
  return operator === '!=' || operator === '!~' ? { notMatches: pattern } : { matches: pattern };
}

/** The pattern of a comparison; for `!=` and `!~`, the pattern that must not match. */
function patternOf({ operator, text, ...place }: ConditionText): RegExp {
  switch (operator) {
    case '=~':
    case '!~':
      return compilePcre(text, place);
    case '==':
    case '!=':
      return new RegExp(`^${escapeRegExp(text)}$`);
    case '=^':
      return new RegExp(`^${escapeRegExp(text)}`);
    case '=$':
      return new RegExp(`${escapeRegExp(text)}$`);
  }
}

function addressIs(condition: ConditionText): TextMatch {
  const { operator, text } = condition;
  if (operator === '=~' || operator === '!~') return matchOf(condition);
  if (text.startsWith('/'))
    failAt(condition, "remoteip can't be compared with a path: the client of a unix socket has no address");
  // lighttpd accepts IPv6 addresses with and without brackets.
  const address = text.replace(/^\[(.*)\](\/\d+)?$/, '$1$2');
  try {
    compileAddresses([address]);
  } catch {
    failAt(condition, 'remoteip must be compared with an IP address or a CIDR range such as "192.0.2.0/24"');
  }
  return matchOf({ ...condition, text: address });
}

/** Only two schemes exist: the condition is tried on both. */
function schemeIs(condition: ConditionText): RuleHead {
  const { operator, text } = condition;
  const holds = (scheme: string): boolean => {
    switch (operator) {
      case '==':
        return scheme === text;
      case '!=':
        return scheme !== text;
      case '=^':
        return scheme.startsWith(text);
      case '=$':
        return scheme.endsWith(text);
      default:
        return compilePcre(text, condition).test(scheme) === (operator === '=~');
    }
  };
  const [http, https] = [holds('http'), holds('https')];
  if (http && https) return {};
  if (!http && !https) return { when: { not: {} } };
  return { when: { scheme: http ? 'http' : 'https' } };
}
