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

/**
 * All matching rules set their options in order, later over earlier, as lighttpd merges conditions. `matched` gets the places of the
 * rules that match, such as `rules[1].else`; `path` is the place of the list.
 */
export function applyRules<Settings>(
  base: Settings,
  rules: readonly CompiledRule<Settings>[],
  input: ConditionInput,
  matched?: string[],
  path = '',
): Settings {
  return rules.reduce(
    (settings, rule, at) => applyRule(settings, rule, input, matched, matched && `${path}rules[${at}]`),
    base,
  );
}

function applyRule<Settings>(
  settings: Settings,
  rule: CompiledRule<Settings>,
  input: ConditionInput,
  matched: string[] | undefined,
  place = '',
): Settings {
  if (rule.matchesUrl(input.path) && (rule.when?.(input) ?? true)) {
    matched?.push(place);
    return applyRules({ ...settings, ...rule.set }, rule.rules, input, matched, matched && `${place}.`);
  }
  return rule.otherwise
    ? applyRule(settings, rule.otherwise, input, matched, matched && `${place}.else`)
    : settings;
}

/** All rules, including nested rules. */
export function everyRule<Settings>(rules: readonly CompiledRule<Settings>[]): CompiledRule<Settings>[] {
  return rules.flatMap((rule) => [
    rule,
    ...everyRule([...rule.rules, ...(rule.otherwise ? [rule.otherwise] : [])]),
  ]);
}
