// The checks before a release. Each check returns its faults as lines.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const read = (root, file) => readFileSync(join(root, file), 'utf8');
const run = (root, command, ...args) =>
  execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
const lines = (text) => text.split('\n').filter((line) => line !== '');

/** The largest size of the tarball in bytes, and its largest number of files: an unwanted picture or folder exceeds them. */
const MOST = { size: 1_300_000, files: 900 };
export const NEEDED = [
  ...['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist/index.mjs', 'dist/index.cjs'],
  ...[
    'dist/index.d.mts',
    'dist/index.d.cts',
    'dist/cli.js',
    'dist/express-wstunnel.1',
    'dist/bundled/LICENSES.txt',
  ],
];
const UNWANTED =
  /(^|\/)(\.env.*|\.npmrc|node_modules|coverage|.*\.(map|log|tgz|pem|key|spec\.ts))(\/|$)|^(src|spec)\/.*\.(ts|mjs)$/;

export const versionOf = (root) => JSON.parse(read(root, 'package.json')).version;

export function treeFaults(root) {
  const changed = lines(run(root, 'git', 'status', '--porcelain'));
  return changed.length === 0 ? [] : [`the work tree is not clean: ${changed.join(', ')}`];
}

export function versionFaults(root) {
  const version = versionOf(root);
  const lock = JSON.parse(read(root, 'package-lock.json'));
  if (!/^\d+\.\d+\.\d+$/.test(version))
    return [`package.json: "${version}" is not a version that publish.yml publishes: give three numbers`];
  return [lock.version, lock.packages[''].version].every((other) => other === version)
    ? []
    : [`package-lock.json has another version than package.json (${version}): run npm install`];
}

/** `today`: the date in UTC, as in the changelog. */
export function changelogFaults(root, today = new Date().toISOString().slice(0, 10)) {
  const version = versionOf(root);
  const sections = read(root, 'CHANGELOG.md')
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [title = '', ...rest] = section.split('\n');
      return { title: title.trim(), text: rest.join('\n').trim() };
    });
  const unreleased = sections.find(({ title }) => title === 'Unreleased');
  const own = sections.find(({ title }) => title.split(' ')[0] === version);
  const date = / - (\d{4}-\d\d-\d\d)$/.exec(own?.title ?? '')?.[1];
  return [
    ...(unreleased && unreleased.text !== ''
      ? [`CHANGELOG.md: entries are left under "Unreleased": move them to ${version}`]
      : []),
    ...(own ? [] : [`CHANGELOG.md: no section "## ${version} - ${today}"`]),
    ...(own?.text === '' ? [`CHANGELOG.md: the section of ${version} is empty`] : []),
    ...(own && (date === undefined || Number.isNaN(Date.parse(date)) || date > today)
      ? [`CHANGELOG.md: the title of ${version} must end with the date, "## ${version} - ${today}"`]
      : []),
  ];
}

/** `tag`: the published tag. Without it, the tags of HEAD are checked, and the tag may still be missing. */
export function tagFaults(root, tag) {
  const wanted = `v${versionOf(root)}`;
  if (tag !== undefined && tag !== wanted)
    return [`the tag ${tag} is not ${wanted}, the version of package.json`];
  const here = lines(run(root, 'git', 'tag', '--points-at', 'HEAD', 'v*'));
  const all = lines(run(root, 'git', 'tag', '--list', wanted));
  if (all.length > 0 && !here.includes(wanted)) return [`the tag ${wanted} is at another commit`];
  if (tag !== undefined && !here.includes(wanted)) return [`there is no tag ${wanted} at HEAD`];
  return here
    .filter((one) => one !== wanted)
    .map((one) => `HEAD has the tag ${one}, but the version is ${wanted}`);
}

/**
 * The dist-tag for `npm publish`. A fix of an older minor version must not become `latest`: npm refuses to publish such a version
 * without a tag of its own.
 */
export function distTagOf(root) {
  const version = versionOf(root);
  const tags = lines(run(root, 'git', 'tag', '--list', 'v[0-9]*'));
  const isNewer = tags.some((tag) => compare(tag.slice(1), version) > 0);
  // npm refuses tags that look like a range of versions, such as "1.2".
  return isNewer ? `release-${version.split('.').slice(0, 2).join('.')}` : 'latest';
}

function compare(one, other) {
  return one.localeCompare(other, 'en', { numeric: true });
}

/** What `npm pack` would put into the tarball, of the present `dist/`. */
export function tarballFaults(root) {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'];
  const [{ size, files }] = JSON.parse(run(root, 'npm', ...args));
  return contentFaults(
    size,
    files.map(({ path }) => path),
  );
}

export function contentFaults(size, paths) {
  return [
    ...NEEDED.filter((file) => !paths.includes(file)).map((file) => `the tarball lacks ${file}`),
    ...paths.filter((path) => UNWANTED.test(path)).map((path) => `the tarball contains ${path}`),
    ...(size > MOST.size ? [`the tarball has ${size} bytes, more than ${MOST.size}`] : []),
    ...(paths.length > MOST.files ? [`the tarball has ${paths.length} files, more than ${MOST.files}`] : []),
  ];
}

/** Runs an npm script that passes or fails as a whole. */
export function scriptFaults(root, script) {
  try {
    run(root, 'npm', 'run', '--silent', script);
    return [];
  } catch (error) {
    return [`npm run ${script} failed:\n${error.stdout}${error.stderr}`];
  }
}
