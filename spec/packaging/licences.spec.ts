import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { DEVELOPERS } from '../support/environment.js';
import { ROOT, temporaryFolder } from './packed.js';
import { bundle } from './release-modules.js';

/** Licences that require only their notice. */
const ALLOWED = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD'];
const DIST = join(ROOT, 'dist');
const MODULES = join(ROOT, 'node_modules');
/** Development dependencies of bundled packages that leave no code in the published files. */
const TOOLS = [
  ...[
    'bcrypt',
    'esm2umd',
    'husky',
    'jest',
    'lint-staged',
    'mocha',
    'prettier',
    'rimraf',
    'rollup',
    'ts-jest',
  ],
  ...['@rollup/plugin-commonjs', '@rollup/plugin-node-resolve', '@rollup/plugin-typescript', 'typescript'],
  // The command of redos-detector, which is not bundled, and its test.
  ...['commander', 'micromatch'],
];
const folder = temporaryFolder();

interface Locked {
  readonly name?: string;
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> };
const manifestOf = (name: string) =>
  JSON.parse(read(`node_modules/${name}/package.json`)) as {
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly devDependencies?: Readonly<Record<string, string>>;
  };
const root = packages['']!;
const { name = '', version } = root;

/** The packages that a package needs: dependencies and non-optional peers. */
function neededBy(one: Locked): string[] {
  const peers = Object.keys(one.peerDependencies ?? {});
  return [
    ...Object.keys(one.dependencies ?? {}),
    ...peers.filter((name) => one.peerDependenciesMeta?.[name]?.optional !== true),
  ];
}

/** The lock's entry for a package, as Node resolves it from the folder of another package. */
function placeOf(name: string, from: string): string {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const place = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`;
    if (packages[place]) return place;
    if (folder === '') throw new Error(`${name} is not in the lock`);
  }
}

function installed(): string[] {
  const places = new Set(neededBy(root).map((name) => placeOf(name, '')));
  for (const place of places) for (const name of neededBy(packages[place]!)) places.add(placeOf(name, place));
  return [...places];
}

describe('the packages that a user installs', () => {
  test('have a licence from the list', () => {
    const places = installed();
    expect(places).toEqual(expect.arrayContaining(['node_modules/ws', 'node_modules/express']));
    const others = places.filter((place) => !ALLOWED.includes(packages[place]!.license ?? ''));
    expect(others.map((place) => `${place}: ${packages[place]!.license ?? 'none'}`)).toEqual([]);
  });

  test('are eight, including this package and without Express', () => {
    const own = new Set(Object.keys(root.dependencies ?? {}).map((name) => placeOf(name, '')));
    for (const place of own) for (const name of neededBy(packages[place]!)) own.add(placeOf(name, place));
    expect([...own].map((place) => place.replace('node_modules/', '')).sort()).toEqual([
      ...['agent-base', 'debug', 'http-proxy-agent', 'ms', 'parseurl', 'proxy-agent-negotiate', 'ws'],
    ]);
  });

  // In the lock of this repository Express is a development dependency, in an app it is not.
  test.each(['cyclonedx', 'spdx'])('are listed by npm sbom as %s', { timeout: 60_000 }, async (format) => {
    const app = { name: 'app', version: '1.0.0', dependencies: { [name]: version } };
    const locked = installed().map((place) => [place, { ...packages[place], dev: undefined }] as const);
    const lock = { '': app, [`node_modules/${name}`]: { ...root, devDependencies: {} } };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(app));
    writeFileSync(
      join(folder, 'package-lock.json'),
      JSON.stringify({ ...app, lockfileVersion: 3, packages: { ...lock, ...Object.fromEntries(locked) } }),
    );
    const args = ['sbom', '--package-lock-only', '--omit', 'dev', '--sbom-format', format];
    const env = { ...DEVELOPERS, npm_config_update_notifier: 'false', npm_config_offline: 'true' };
    const { stdout } = await promisify(execFile)('npm', args, { cwd: folder, env, timeout: 50_000 });
    const bill = JSON.parse(stdout) as Record<'components' | 'packages', { name: string }[] | undefined>;
    const names = (bill.components ?? bill.packages ?? []).map((one) => one.name);
    expect(names).toEqual(expect.arrayContaining(['express-wstunnel', 'ws', 'debug', 'parseurl', 'express']));
  });
});

describe('the bundled packages', () => {
  const groups = Object.entries(bundle.BUNDLED).map(([name, inner]) => ({
    name,
    installed: [name, ...inner],
    compiledIn: Object.entries(bundle.COMPILED_IN[name] ?? {}).map(([inside, license]) => {
      const version = manifestOf(name).devDependencies?.[inside] ?? '';
      const file = `.ci/package/licences/${inside}-${version}.txt`;
      return { name: inside, version, license, file };
    }),
  }));
  const components = groups.flatMap(({ installed, compiledIn }) => [
    ...installed.map((one) => {
      const { version, license = '' } = packages[`node_modules/${one}`]!;
      const file = readdirSync(join(MODULES, one)).find((entry) => /^licen[cs]e/i.test(entry));
      return { name: one, version, license, file: `node_modules/${one}/${file ?? ''}` };
    }),
    ...compiledIn,
  ]);

  test.each(components)(
    '$name has a licence of the list, printed in full beside its code',
    ({ name, version, license, file }) => {
      expect(ALLOWED).toContain(license);
      const notices = read('dist/bundled/LICENSES.txt');
      expect(notices).toContain(`${name} ${version} (${license})\n`);
      expect(notices).toContain(read(file).replaceAll('\r\n', '\n').trim());
    },
  );

  test('are listed for programs, with versions', () => {
    const bill = JSON.parse(read('dist/bundled/bundled.cdx.json')) as { components: { purl: string }[] };
    expect(bill.components.map(({ purl }) => purl)).toEqual(
      components.map(({ name, version }) => `pkg:npm/${name}@${version}`),
    );
  });

  test.each(groups)(
    '$name contains no dependency without a licence here, and no unknown development dependency',
    (group) => {
      const { dependencies = {}, devDependencies = {} } = manifestOf(group.name);
      expect(group.installed).toEqual(expect.arrayContaining(Object.keys(dependencies)));
      const known = [...group.compiledIn.map(({ name }) => name), ...TOOLS];
      const isKnown = (one: string) => known.includes(one) || /^@types\/|eslint/.test(one);
      // A new one: look for its code in the published file, then name it in COMPILED_IN or in TOOLS.
      expect(Object.keys(devDependencies).filter((one) => !isKnown(one))).toEqual([]);
    },
  );

  test.each(groups)('$name contains no copyright notice of a package without a licence here', (group) => {
    const sources = Array.from(
      read(`dist/bundled/${group.name}.js`).matchAll(/^\/\/ (node_modules\/.+)$/gm),
      ([, file = '']) => read(file),
    );
    expect(sources).not.toEqual([]);
    const inside = [...group.installed, ...group.compiledIn.map(({ name }) => name)];
    const licences = components.filter(({ name }) => inside.includes(name)).map(({ file }) => read(file));
    const holders = Array.from(sources.join('\n').matchAll(/^.*?(copyright \(c\) .+)$/gim), ([, line = '']) =>
      line.replace(/( Corporation)?\.?( All rights reserved\.?)?$/, ''),
    );
    expect(holders.filter((holder) => !licences.some((text) => text.includes(holder)))).toEqual([]);
  });

  test('are development dependencies, where npm audit and Dependabot see them', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, object>;
    for (const name of Object.keys(bundle.BUNDLED)) {
      expect(devDependencies).toHaveProperty([name]);
      expect(dependencies).not.toHaveProperty([name]);
    }
  });

  test.each([
    [`require("bcryptjs")`, 'a.js', `require("./bundled/bcryptjs.js")`],
    [`require.resolve('bcryptjs')`, 'a/b.js', `require.resolve('../bundled/bcryptjs.js')`],
    [`require("ws")`, 'a.js', `require("ws")`],
    [`require("bcryptjs/x")`, 'a.js', `require("bcryptjs/x")`],
  ])('are loaded by a path: %s in %s', (text, file, path) => {
    expect(bundle.loadBundled(text, file)).toBe(path);
  });
});

test('the build loads nothing but its own files, Node, dependencies and peers', () => {
  const known = [...Object.keys(root.dependencies ?? {}), ...Object.keys(root.peerDependencies ?? {})];
  const entries = readdirSync(DIST, { recursive: true, withFileTypes: true });
  const scripts = entries.filter((entry) => entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name));
  const strangers = scripts.flatMap(({ parentPath, name }) => {
    const file = join(parentPath, name);
    // A comment may contain an example.
    const code = readFileSync(file, 'utf8').replace(/^\s*(\/\/|\/?\*).*$/gm, '');
    const loads = code.matchAll(/(?:\brequire(?:\.resolve)?\(|\bimport\(|\bfrom )(["'])([^."'][^"']*)\1/g);
    return Array.from(loads, ([, , loaded = '']) => loaded)
      .filter((loaded) => !isBuiltin(loaded) && !known.includes(loaded))
      .map((loaded) => `${file}: ${loaded}`);
  });
  expect(scripts.length).toBeGreaterThan(600);
  expect(strangers).toEqual([]);
});
