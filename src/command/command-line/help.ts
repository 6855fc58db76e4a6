import { helpGroups, type OptionSpecs } from './args.js';

/** One option of a table, with a text of its own. */
interface HelpEntry {
  readonly name: string;
  readonly short?: string;
  /** What its value is called; undefined for a switch. */
  readonly value?: string;
  readonly help: string;
}

/**
 * Every option of a table. Those that share a line of the help have parts of its text, divided by semicolons, or all of it where
 * there are not as many parts as options.
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
