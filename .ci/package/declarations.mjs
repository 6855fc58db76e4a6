// Removes the declarations that no exported type needs: half the files of the package.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Removes each `.d.ts` of `dist/` that can't be reached from the `types` of package.json. */
export function pruneDeclarations(root) {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const needed = new Set();
  for (const file of typesIn(exports)) follow(resolve(root, file), needed);
  const dist = join(root, 'dist');
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile() && /\.d\.[cm]?ts$/.test(entry.name) && !needed.has(file)) rmSync(file);
  }
}

function typesIn(value, key = '') {
  if (typeof value === 'string') return key === 'types' ? [value] : [];
  return Object.entries(value).flatMap(([name, inner]) => typesIn(inner, name));
}

function follow(file, seen) {
  if (seen.has(file)) return;
  seen.add(file);
  // Files that only comments name are kept, too.
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/["'](\.\.?\/[^"'\n]*\.[cm]?js)["']/g))
    follow(resolve(dirname(file), path.replace(/js$/, 'ts').replace(/\.([cm]?ts)$/, '.d.$1')), seen);
}
