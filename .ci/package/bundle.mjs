// The last step of the build: packages that few users need are copied into `dist/bundled/`, so that `npm install` installs fewer
// packages. The source imports the packages by name.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { build } from 'esbuild';
import { compiledIn, componentOf, documentOf, noticeOf } from './components.mjs';

/**
 * Each bundled package, with the packages whose code its file contains. They are development dependencies, so that `npm audit`
 * and Dependabot see them in the repository.
 *
 * `parseurl` stays a dependency: path checks must use the parser that Express uses, also after a fix of that parser.
 */
export const BUNDLED = {
  bcryptjs: [],
  'jsonc-parser': [],
  'redos-detector': ['regjsparser'],
};

/**
 * Code of other packages inside the published file of a bundled package, with the licences: development dependencies of that
 * package, which npm does not install here. `licences/` has the texts, under name and version.
 */
export const COMPILED_IN = { 'redos-detector': { 'forkable-iterator': 'MIT', tslib: '0BSD' } };

const FOLDER = 'bundled';

/** Writes `dist/bundled/`, and lets the files of `dist/` load the packages from there. */
export async function bundle(root) {
  const dist = join(root, 'dist');
  mkdirSync(join(dist, FOLDER), { recursive: true });
  for (const name of Object.keys(BUNDLED)) await bundleOne(root, name, join(dist, FOLDER, `${name}.js`));
  const components = Object.entries(BUNDLED).flatMap(([name, inner]) => [
    ...[name, ...inner].map((one) => componentOf(root, one)),
    ...Object.entries(COMPILED_IN[name] ?? {}).map((one) => compiledIn(root, name, ...one)),
  ]);
  writeFileSync(join(dist, FOLDER, 'LICENSES.txt'), noticeOf(components));
  writeFileSync(join(dist, FOLDER, 'bundled.cdx.json'), documentOf(components));
  for (const file of scriptsOf(dist)) {
    const text = readFileSync(file, 'utf8');
    const rewritten = loadBundled(text, relative(dist, file).split(sep).join('/'));
    if (rewritten !== text) writeFileSync(file, rewritten);
  }
}

async function bundleOne(root, name, outfile) {
  await build({
    stdin: { contents: `export * from '${name}'`, resolveDir: root, sourcefile: name },
    outfile,
    bundle: true,
    // If esbuild followed links, comments would name folders outside the project.
    preserveSymlinks: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    // The UMD builds load their parts by a `require` that no bundler can follow.
    mainFields: ['module', 'main'],
    // LICENSES.txt contains the licences.
    legalComments: 'inline',
    logLevel: 'warning',
  });
}

/** The text of a file of `dist/`, with relative paths in place of the names of bundled packages. */
export function loadBundled(text, file) {
  return text.replace(/\b(require|require\.resolve)\((["'])([^"'.][^"']*)\2\)/g, (call, by, quote, name) => {
    if (!Object.hasOwn(BUNDLED, name)) return call;
    const path = posix.relative(posix.dirname(file), `${FOLDER}/${name}.js`);
    return `${by}(${quote}${path.startsWith('.') ? path : `./${path}`}${quote})`;
  });
}

function scriptsOf(dist) {
  return readdirSync(dist, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?js$/.test(entry.name) && !entry.parentPath.endsWith(FOLDER))
    .map((entry) => join(entry.parentPath, entry.name));
}
