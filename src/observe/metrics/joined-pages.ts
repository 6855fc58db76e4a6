/** Joins the pages of several processes. Each sample gets one more label with the process, so that all series differ. */
export function joinPages(label: string, pages: readonly (readonly [value: number, page: string])[]): string {
  /** By metric: HELP and TYPE, then the samples. */
  const families = new Map<string, string[]>();
  for (const [value, page] of pages) {
    let family: string[] = [];
    for (const line of page.split('\n')) {
      const [, keyword, name = ''] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? [];
      if (keyword !== undefined) {
        family = families.get(name) ?? [];
        families.set(name, family);
        // Only the first page with the metric gives HELP and TYPE.
        if (family.length < 2) family.push(line);
      } else if (line !== '') family.push(withLabel(line, `${label}="${value}"`));
    }
  }
  return Array.from(families.values(), (lines) => `${lines.join('\n')}\n`).join('');
}

/** The name of a metric has no brace and no space. */
function withLabel(line: string, label: string): string {
  return line.replace(/^([^{ ]+)(\{?)/, (_, name: string, brace: string) =>
    brace === '' ? `${name}{${label}}` : `${name}{${label},`,
  );
}
