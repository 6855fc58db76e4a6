/** The reader of the configuration: an app around the middleware, or the command, which is the whole server. */
export type ConfReader = 'app' | 'command';

/** Does a pattern match the name? A `*` at the end of a pattern stands for the rest of a name. */
export function matchesName(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
}

export function isVariable(name: string): boolean {
  return name.startsWith('var.');
}
