import { notationOf, type Notation } from '../routes/path-notation.js';
import type { Condition, Rule } from '../types.js';

type Urls = Pick<Rule<never>, 'url' | 'when' | 'server' | 'rules' | 'else'>;

/** The notations in which the options, their rules and conditions compare paths. The nesting depth of the options was checked before. */
export function notationsOf(options: Urls): readonly Notation[] {
  return [...new Set(collect(options))];
}

function collect({ url, when, server, rules = [], else: otherwise }: Urls): Notation[] {
  return [
    ...ofText(url),
    ...(when ? ofCondition(when) : []),
    ...ofMap(server),
    ...rules.flatMap((rule) => collect(rule as Urls)),
    ...(otherwise ? collect(otherwise) : []),
  ];
}

function ofCondition({ url, all = [], any = [], not }: Condition): Notation[] {
  return [...ofText(url), ...[...all, ...any, ...(not ? [not] : [])].flatMap(ofCondition)];
}

/** The notations of a RegExp, of a list, or of an object with operators. */
function ofText(text: unknown): Notation[] {
  if (typeof text !== 'object' || text === null) return [];
  const own = notationOf(text);
  if (own) return [own];
  return text instanceof RegExp ? [] : Object.values(text).flatMap(ofText);
}

/** The notation of a map of hosts. A map whose only key is "" compares no path. */
function ofMap(server: unknown): Notation[] {
  if (typeof server !== 'object' || server === null) return [];
  const own = notationOf(server);
  return own && Object.keys(server).some((key) => key !== '') ? [own] : [];
}
