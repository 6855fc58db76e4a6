import { helpGroups, type OptionSpecs } from './args.js';

/** An option with its own help text, for the manual page and the completions. */
interface HelpEntry {
  readonly name: string;
  readonly short?: string;
  /** The name of the value in the help; undefined for a switch. */
  readonly value?: string;
  readonly help: string;
}

/**
 * Every option with its own text. The text of a shared line is split at semicolons into one part per option; if the numbers differ,
 * each option gets the whole text.
 */
export function helpEntries(specs: OptionSpecs): HelpEntry[] {
  return helpGroups(specs).flatMap(({ names, help }) => {
    const parts = help.split('; ');
    return names.map((name, index) => {
      const { short, value } = specs[name] ?? {};
      const text = (parts.length === names.length ? parts[index] : help) ?? '';
      return {
        name,
        ...(short !== undefined && { short }),
        ...(value !== undefined && { value }),
        help: text,
      };
    });
  });
}
