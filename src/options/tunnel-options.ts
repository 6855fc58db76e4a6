import { MAX_NESTED, checkCondition } from './checks/condition.js';
import { fail, type Check } from './checks/fail.js';
import { checkNames } from './checks/names.js';
import { checkEach } from './checks/option-error.js';
import { OptionPath, type OptionRef } from './checks/option-path.js';
import { checkUrls } from './checks/urls.js';
import { checkText, wholeNumber } from './checks/basic.js';
import { booleanRow, checksOf, numberRow, row, type Rows } from './row.js';
import { RULE_OPTIONS } from './rule-options.js';
import type { Rule, TunnelOptions } from '../types.js';

type Limits = NonNullable<TunnelOptions['limits']>;

const MOST_TUNNELS = 1_000_000;

/** The message for another value of `shared`. */
export const SHARED_KINDS = 'must be the result of memoryShared(), redisShared() or clusterShared()';

const checkCount = wholeNumber(0, MOST_TUNNELS);

/** `limits`: 0 means no limit. */
export const LIMIT_OPTIONS = {
  total: numberRow(0, MOST_TUNNELS, 0),
  perClient: numberRow(0, MOST_TUNNELS, 0),
  perUser: numberRow(0, MOST_TUNNELS, 0),
  // Keeps a fast line busy over 100 ms; bounds a thousand stalled tunnels to 2 GiB.
  buffered: numberRow(64 * 1024, 1024 ** 3, 1024 * 1024),
  // A request before the 101 costs some 20 KB, plus up to 64 KiB that the client has sent early: 1,000 requests are less than a
  // hundred MiB. When a thousand clients connected at the same moment, as after a restart, 570 were opening at once (measured):
  // so many pass, even from the single address of an untrusted proxy. A quarter remains for other clients.
  opening: row(
    (value, name) => {
      if (typeof value === 'object') checkNames(value, name, { total: checkCount, perClient: checkCount });
      else checkCount(value, name);
    },
    { total: 1000, perClient: 750 },
  ),
} as const satisfies Rows<Limits>;

/** The options of `wstunnel()`. */
export const TUNNEL_OPTIONS = {
  url: row(checkUrls),
  ...RULE_OPTIONS,
  rules: row(checkRules),
  limits: row((value, name) => checkNames(value, name, checksOf(LIMIT_OPTIONS))),
  debug: numberRow(0, 65_535, 0),
  autoAttach: booleanRow(true),
  name: row(checkText),
  // wstunnel.ts checks that the object is a state.
  shared: row((value, name) => {
    if (typeof value !== 'object') fail(name, SHARED_KINDS, value);
  }),
} as const satisfies Rows<TunnelOptions>;

/** The checks of a rule: a rule has no defaults, since options that the rule does not name stay unchanged. */
export const RULE_CHECKS: Readonly<Record<keyof Rule, Check>> = {
  url: checkUrls,
  when: (value, name) => checkCondition(value, name),
  ...checksOf(RULE_OPTIONS),
  rules: checkRules,
  else: (value, name) => checkNames(value, name, RULE_CHECKS),
};

function checkRules(value: unknown, name: OptionRef): void {
  checkRuleList(value, name, RULE_CHECKS);
}

/** Checks a list of rules with the given checks. */
export function checkRuleList(
  value: unknown,
  name: OptionRef,
  checks: Readonly<Record<string, Check>>,
): void {
  if (!Array.isArray(value)) fail(name, 'must be a list of rules', value);
  const rules = value as unknown[];
  const path = OptionPath.of(name);
  checkEach(rules.map((rule, index) => () => checkNames(rule, path.item(index), checks)));
}

/** Limit of rules in one chain of `else`; a longer chain is most likely an object that contains itself. */
const MOST_ELSE = 1000;

/** Rules may contain themselves: this check runs before all checks that follow nested rules. */
export function checkDepth(rules: unknown, name: string, depth = 0): void {
  if (!Array.isArray(rules)) return;
  if (depth > MAX_NESTED) fail(name, `has rules nested more than ${MAX_NESTED} levels deep`, rules);
  for (let rule of rules as unknown[])
    for (let steps = 0; typeof rule === 'object' && rule !== null; steps++) {
      if (steps > MOST_ELSE) fail(name, `has more than ${MOST_ELSE} rules in one chain of else`, rules);
      const { rules: inner, else: otherwise } = rule as { rules?: unknown; else?: unknown };
      checkDepth(inner, `${name}[].rules`, depth + 1);
      rule = otherwise;
    }
}
