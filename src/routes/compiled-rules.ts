import type { ConditionTest, Visit } from './compiled-condition.js';

/** A rule, compiled: what it sets, and the rules inside it. */
export interface CompiledRule<Settings> {
  /** Its `url` alone: may a request with this path be its? */
  readonly matchesUrl: (path: string) => boolean;
  readonly when: ConditionTest | undefined;
  readonly set: Partial<Settings>;
  readonly rules: readonly CompiledRule<Settings>[];
  readonly otherwise: CompiledRule<Settings> | undefined;
}

/** Every rule that applies sets its options in order, later over earlier, as lighttpd merges its conditions. */
export function applyRules<Settings>(
  base: Settings,
  rules: readonly CompiledRule<Settings>[],
  visit: Visit,
): Settings {
  return rules.reduce((settings, rule) => applyRule(settings, rule, visit), base);
}

function applyRule<Settings>(settings: Settings, rule: CompiledRule<Settings>, visit: Visit): Settings {
  if (rule.matchesUrl(visit.path) && (rule.when?.(visit) ?? true))
    return applyRules({ ...settings, ...rule.set }, rule.rules, visit);
  return rule.otherwise ? applyRule(settings, rule.otherwise, visit) : settings;
}

/** All of them, also those inside others. */
export function everyRule<Settings>(rules: readonly CompiledRule<Settings>[]): CompiledRule<Settings>[] {
  return rules.flatMap((rule) => [
    rule,
    ...everyRule([...rule.rules, ...(rule.otherwise ? [rule.otherwise] : [])]),
  ]);
}
