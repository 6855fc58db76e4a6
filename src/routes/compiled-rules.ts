import type { ConditionInput, ConditionTest } from './compiled-condition.js';

/** A compiled rule: the conditions, the options set by the rule, and the nested rules. */
export interface CompiledRule<Settings> {
  /** Tests `url` only. */
  readonly matchesUrl: (path: string) => boolean;
  readonly when: ConditionTest | undefined;
  readonly set: Partial<Settings>;
  readonly rules: readonly CompiledRule<Settings>[];
  readonly otherwise: CompiledRule<Settings> | undefined;
}

/** All matching rules set their options in order, later over earlier, as lighttpd merges conditions. */
export function applyRules<Settings>(
  base: Settings,
  rules: readonly CompiledRule<Settings>[],
  input: ConditionInput,
): Settings {
  return rules.reduce((settings, rule) => applyRule(settings, rule, input), base);
}

function applyRule<Settings>(
  settings: Settings,
  rule: CompiledRule<Settings>,
  input: ConditionInput,
): Settings {
  if (rule.matchesUrl(input.path) && (rule.when?.(input) ?? true))
    return applyRules({ ...settings, ...rule.set }, rule.rules, input);
  return rule.otherwise ? applyRule(settings, rule.otherwise, input) : settings;
}

/** All rules, including nested rules. */
export function everyRule<Settings>(rules: readonly CompiledRule<Settings>[]): CompiledRule<Settings>[] {
  return rules.flatMap((rule) => [
    rule,
    ...everyRule([...rule.rules, ...(rule.otherwise ? [rule.otherwise] : [])]),
  ]);
}
