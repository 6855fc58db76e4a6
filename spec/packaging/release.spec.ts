import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, test } from 'vitest';
import { ROOT, temporaryFolder } from './packed.js';
import { owner, releaseChecks } from './release-modules.js';

const { changelogFaults, contentFaults, distTagOf, tagFaults, treeFaults, versionFaults, NEEDED } =
  releaseChecks;
const folder = temporaryFolder();
const CHANGELOG = '# Changelog\n\n## Unreleased\n\n## 1.2.3 - 2026-01-31\n\n### Fixed\n\n- A fault.\n';
const SECURITY = 'Report: [here](https://github.com/PLACEHOLDER_OWNER/thing/security/advisories/new).\n';
const MANIFEST = { name: 'thing', version: '1.2.3' };
const LOCK = { version: '1.2.3', packages: { '': { version: '1.2.3' } } };

/** The folder of a package that is ready to be released. */
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(folder, 'thing-'));
  write('package.json', JSON.stringify(MANIFEST));
  write('package-lock.json', JSON.stringify(LOCK));
  write('CHANGELOG.md', CHANGELOG);
  write('.github/SECURITY.md', SECURITY);
});

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

const parsed = (file: string) => JSON.parse(readFileSync(join(root, file), 'utf8')) as object;
const change = (fields: object) =>
  write('package.json', JSON.stringify({ ...parsed('package.json'), ...fields }));

describe('the changelog of a release', () => {
  const DATE = ['the title of 1.2.3 must end with the date, "## 1.2.3 - 2026-02-01"'];

  test.each([
    ['has a dated section of the version', '', '', []],
    [
      'has no entry left under Unreleased',
      'Unreleased\n',
      'Unreleased\n\n- A change.\n',
      ['entries are left under "Unreleased": move them to 1.2.3'],
    ],
    ['has a section of the version', '1.2.3', '1.2.2', ['no section "## 1.2.3 - 2026-02-01"']],
    ['has a date', '2026-01-31', 'unreleased', DATE],
    ['has a date that exists', '2026-01-31', '2026-13-31', DATE],
    ['has no date of the future', '2026-01-31', '2026-02-02', DATE],
    [
      'has an entry in the section',
      '### Fixed\n\n- A fault.\n',
      '## 1.2.2\n',
      ['the section of 1.2.3 is empty'],
    ],
  ])('%s', (_, text, replacement, faults) => {
    write('CHANGELOG.md', CHANGELOG.replace(text, replacement));
    expect(changelogFaults(root, '2026-02-01')).toEqual(faults.map((fault) => `CHANGELOG.md: ${fault}`));
  });
});

test('package.json and the lock have the same version', () => {
  expect(versionFaults(root)).toEqual([]);
  write('package-lock.json', JSON.stringify({ ...LOCK, version: '1.2.2' }));
  expect(versionFaults(root)).toEqual([expect.stringMatching(/^package-lock\.json has another version/)]);
  for (const version of ['next', '1.3.0-rc.1']) {
    change({ version });
    expect(versionFaults(root)).toEqual([
      `package.json: "${version}" is not a version that publish.yml publishes: give three numbers`,
    ]);
  }
});

test.each([
  [[...NEEDED], 1_000, []],
  [NEEDED.filter((file) => file !== 'dist/cli.js'), 1_000, ['lacks dist/cli.js']],
  [[...NEEDED, 'dist/server.pem'], 1_000, ['contains dist/server.pem']],
  [[...NEEDED, 'dist/.env.local'], 1_000, ['contains dist/.env.local']],
  [[...NEEDED, 'dist/index.js.map'], 1_000, ['contains dist/index.js.map']],
  [[...NEEDED, 'src/index.ts'], 1_000, ['contains src/index.ts']],
  [[...NEEDED], 2_000_000, ['has 2000000 bytes, more than 1300000']],
  [[...NEEDED, ...Array.from({ length: 900 }, () => 'dist/a.js')], 1, ['has 911 files, more than 900']],
])('a tarball with unusual contents is a fault (%#)', (files, size, faults) => {
  expect(contentFaults(size, files)).toEqual(faults.map((fault) => `the tarball ${fault}`));
});

describe('the commit of a release', { timeout: 60_000 }, () => {
  const git = (...args: string[]) =>
    promisify(execFile)('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], {
      cwd: root,
    });

  test('is clean, and only the tag of the version points to it', async () => {
    await git('init', '--quiet');
    expect(treeFaults(root)).toEqual([expect.stringMatching(/^the work tree is not clean: .*CHANGELOG\.md/)]);
    await git('add', '--all');
    await git('-c', 'commit.gpgsign=false', 'commit', '--quiet', '--message', 'one');
    expect(treeFaults(root)).toEqual([]);
    expect(tagFaults(root)).toEqual([]);
    expect(tagFaults(root, 'v1.2.4')).toEqual(['the tag v1.2.4 is not v1.2.3, the version of package.json']);
    expect(tagFaults(root, 'v1.2.3')).toEqual(['there is no tag v1.2.3 at HEAD']);
    await git('tag', '--no-sign', 'v1.2.3');
    expect(tagFaults(root, 'v1.2.3')).toEqual([]);
    await git('tag', '--no-sign', 'v1.2.2');
    expect(tagFaults(root)).toEqual(['HEAD has the tag v1.2.2, but the version is v1.2.3']);
    await git('-c', 'commit.gpgsign=false', 'commit', '--quiet', '--allow-empty', '--message', 'two');
    expect(tagFaults(root)).toEqual(['the tag v1.2.3 is at another commit']);
  });

  test('becomes latest on npm, unless a newer version has a tag', async () => {
    await git('init', '--quiet');
    await git('add', '--all');
    await git('-c', 'commit.gpgsign=false', 'commit', '--quiet', '--message', 'one');
    for (const tag of ['v1.2.2', 'v1.2.3', 'v0.10.0']) await git('tag', '--no-sign', tag);
    expect(distTagOf(root)).toBe('latest');
    await git('tag', '--no-sign', 'v1.10.0');
    expect(distTagOf(root)).toBe('release-1.2');
  });
});

describe('npm run owner', () => {
  test('writes every address from one name, and then the check passes', () => {
    expect(owner.runOwner(['some-one/tunnel', 'Bob <b@example.com>', 'https://fund.example'], root)).toEqual(
      [],
    );
    expect(parsed('package.json')).toEqual({
      ...MANIFEST,
      repository: { type: 'git', url: 'git+https://github.com/some-one/tunnel.git' },
      homepage: 'https://github.com/some-one/tunnel#readme',
      bugs: { url: 'https://github.com/some-one/tunnel/issues' },
      author: 'Bob <b@example.com>',
      funding: { url: 'https://fund.example' },
    });
    expect(readFileSync(join(root, '.github/SECURITY.md'), 'utf8')).toContain('/some-one/tunnel/security/');
    expect(owner.runOwner(['--check'], root)).toEqual([]);
  });

  test.each([[['tunnel', 'Bob']], [['a/b']], [['a_b/c', 'Bob']], [['a/b', 'Bob', 'fund.example']]])(
    'refuses %j and changes nothing',
    (args) => {
      expect(owner.runOwner(args, root)).toHaveLength(1);
      expect(parsed('package.json')).toEqual(MANIFEST);
    },
  );

  test.each([
    ['an author', { author: 'PLACEHOLDER_AUTHOR' }, '"author" is a placeholder'],
    ['an address for funding', { funding: undefined }, '"funding" is a placeholder'],
    [
      'the right homepage',
      { homepage: 'https://x.example' },
      '"homepage" does not belong to some-one/tunnel',
    ],
    ['a repository', { repository: 'here' }, '"repository" must name a repository on GitHub'],
  ])('the check fails without %s', (_, fields, message) => {
    owner.runOwner(['some-one/tunnel', 'Bob'], root);
    change(fields);
    expect(owner.ownerFaults(root)).toEqual([expect.stringContaining(`package.json: ${message}`)]);
  });

  test('the check fails if SECURITY.md names another repository', () => {
    owner.runOwner(['some-one/tunnel', 'Bob'], root);
    write('.github/SECURITY.md', SECURITY);
    expect(owner.ownerFaults(root)).toEqual([expect.stringContaining('.github/SECURITY.md: no link to ')]);
  });
});

test('npm publish runs the check of placeholders; npm pack, npm ci and the tests do not', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  expect(scripts.prepublishOnly).toBe('node .ci/package/owner.mjs --check');
  const others = Object.entries(scripts).filter(([, line]) => line.includes('owner.mjs'));
  expect(others.map(([name]) => name)).toEqual(['owner', 'prepublishOnly']);
});
