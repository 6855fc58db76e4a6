import type { IncomingMessage } from 'node:http';
import { strategyOf } from '../balance/strategies.js';
import type { CountLimits } from '../guard/limits.js';
import type { TunnelOptions } from '../types.js';
import { checkNames, OPTIONS_OBJECT } from './checks/names.js';
import { notationsOf } from './notations.js';
import { readOrigins } from './read-origins.js';
import { readRevalidate } from './read-revalidate.js';
import { readRuleOptions, readRules, urlMatcherOf } from './read-rules.js';
import { checksOf, defaultsOf, fill } from './row.js';
import { RULE_OPTIONS } from './rule-options.js';
import type { RuleSettings, Settings } from './settings.js';
import { checkDepth, LIMIT_OPTIONS, TUNNEL_OPTIONS } from './tunnel-options.js';

/**
 * Reads the options of `wstunnel()`: checks all options once, fills in the defaults and freezes the result. Throws {@link
 * TunnelError} WSTUNNEL_OPTION with the option, the value and a correction.
 */
export function readOptions<Req extends IncomingMessage>(options: TunnelOptions<Req>): Settings<Req> {
  checkDepth((options as TunnelOptions<Req> | undefined)?.rules, 'rules');
  checkNames(options, OPTIONS_OBJECT, checksOf(TUNNEL_OPTIONS));
  const given = readRuleOptions(options);
  const { debug, autoAttach } = TUNNEL_OPTIONS;
  return Object.freeze<Settings<Req>>({
    matchesUrl: urlMatcherOf(options.url),
    base: Object.freeze<RuleSettings<Req>>({ ...defaultSettings<Req>(), ...given }),
    rules: readRules(options.rules, given),
    notations: notationsOf(options),
    limits: readLimits(options.limits),
    debug: options.debug ?? debug.default,
    autoAttach: options.autoAttach ?? autoAttach.default,
    name: options.name,
    shared: options.shared,
  });
}

function defaultSettings<Req extends IncomingMessage>(): RuleSettings<Req> {
  const defaults = defaultsOf(RULE_OPTIONS);
  return {
    ...defaults,
    balance: strategyOf(defaults.balance),
    origins: readOrigins<Req>(defaults.origins),
    revalidate: readRevalidate(defaults.revalidate),
  };
}

function readLimits(limits: TunnelOptions['limits'] = {}): Settings<IncomingMessage>['limits'] {
  const { opening } = limits;
  const given = typeof opening === 'number' ? { total: opening } : (opening ?? {});
  return {
    ...fill(limits, LIMIT_OPTIONS),
    opening: openingLimits(given, LIMIT_OPTIONS.opening.default),
    sharedOpening: openingLimits(given, { total: 0, perClient: 0 }),
  };
}

function openingLimits(given: Partial<CountLimits>, defaults: CountLimits): CountLimits {
  const { total = defaults.total, perClient = defaults.perClient } = given;
  return Object.freeze({ total, perClient });
}
