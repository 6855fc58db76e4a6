import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { describe, expect, test } from 'vitest';
import { describeWith } from '../support/programs.js';
import { ROOT } from './packed.js';
import { commandsOf, stepsOf, workflow, workflows } from './workflows.js';

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

test('there are workflows for tests, publishing, analysis and the newest ws', () => {
  expect(workflows.map(({ file }) => file)).toEqual([
    ...['ci.yml', 'codeql.yml', 'publish.yml', 'scorecard.yml', 'ws-newest.yml'],
  ]);
});

describe.each(workflows)('the workflow $file', (one) => {
  test('may only read the repository, except in jobs with other permissions', () => {
    expect(one.permissions).toEqual({ contents: 'read' });
  });

  test('limits the time of each job, and names the version of its system', () => {
    for (const [name, job] of Object.entries(one.jobs)) {
      if (job.uses !== undefined) continue;
      expect(job['timeout-minutes'], name).toBeLessThanOrEqual(90);
      expect(job['runs-on'], name).toMatch(/^ubuntu-\d\d\.04$/);
    }
  });

  test('names each action by the hash of a commit, with the version in a comment', () => {
    for (const [, name = '', comment] of one.text.matchAll(/uses: (\S+)(.*)$/gm))
      if (!name.startsWith('./'))
        expect(`${name}${comment}`).toMatch(/^[\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('uses no stored secret, and no event that gives strangers write access', () => {
    expect(one.text).not.toMatch(/secrets[.[]|secrets: inherit|pull_request_target|workflow_run/);
  });

  test('puts no expression into a shell command, where its text would run as code', () => {
    expect(commandsOf(one).filter((line) => line.includes('${{'))).toEqual([]);
  });

  test('leaves no credentials in the clone', () => {
    const clones = stepsOf(one).filter(({ uses = '' }) => uses.startsWith('actions/checkout@'));
    for (const clone of clones) expect(clone.with).toMatchObject({ 'persist-credentials': false });
  });

  test('calls scripts and specs that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: object };
    for (const line of commandsOf(one)) {
      const [, script] = /\bnpm run ([\w:]+)/.exec(line) ?? [];
      if (script !== undefined) expect(scripts).toHaveProperty([script]);
      const files = line.split(' ').filter((word) => /^(spec|\.ci)\//.test(word));
      expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
    }
  });
});

test('all workflows use the same commit of an action', () => {
  const commits = new Map<string, Set<string>>();
  for (const { text } of workflows)
    for (const [, name = '', commit = ''] of text.matchAll(/uses: ([\w-]+\/[\w-]+)[\w/-]*@(\S+)/g))
      commits.set(name, (commits.get(name) ?? new Set()).add(commit));
  expect([...commits].filter(([, used]) => used.size > 1)).toEqual([]);
  expect(commits.size).toBe(6);
});

test('only these jobs have write access, limited to their needs', () => {
  const more = workflows.flatMap(({ file, jobs }) =>
    Object.entries(jobs).flatMap(([name, { permissions = {} }]) =>
      Object.entries(permissions)
        .filter(([, right]) => right !== 'read')
        .map(([scope, right]) => `${file} ${name}: ${scope} ${right}`),
    ),
  );
  expect(more).toEqual([
    'codeql.yml analyze: security-events write',
    'publish.yml publish: id-token write',
    'scorecard.yml scorecard: security-events write',
    'scorecard.yml scorecard: id-token write',
    'ws-newest.yml report: issues write',
  ]);
});

test('CI tests the four lines of Node that the README names', () => {
  const lines = workflow('ci.yml').jobs.tests?.strategy?.matrix.node ?? [];
  expect(read('README.md')).toContain(
    `on Node ${lines.slice(0, -1).join(', ')} and ${lines.at(-1) ?? 'none'}`,
  );
});

test('.ci/run starts as root in a Debian that has its packages, with the Node of the line', () => {
  for (const { container, steps = [] } of Object.values(workflow('ci.yml').jobs)) {
    expect(steps.at(-1)?.run).toMatch(/^\.ci\/run (checks|tests "\$NODE_LINE")$/);
    expect(container?.image).toMatch(/^node:(20|\$\{\{ matrix\.node \}\})-bookworm$/);
    expect(container?.options).toContain('--privileged');
  }
});

test('publishing starts with a tag, after CI, an approval and the checks of the release', () => {
  const { on, jobs } = workflow('publish.yml');
  expect(Object.keys(on)).toEqual(['push']);
  expect(on.push).toEqual({ tags: ['v[0-9]+.[0-9]+.[0-9]+'] });
  expect(jobs.ci?.uses).toBe('./.github/workflows/ci.yml');
  expect(jobs.package).toMatchObject({ needs: 'ci', permissions: { contents: 'read' } });
  expect(jobs.publish).toMatchObject({ needs: 'package', environment: 'npm' });
  expect(commandsOf(workflow('publish.yml')).map((line) => line.trim())).toEqual([
    'npm ci --ignore-scripts',
    'npm audit signatures',
    'npm run release:check -- --tag "$GITHUB_REF_NAME"',
    'mkdir packed',
    'npm pack --ignore-scripts --pack-destination packed',
    'mv packed/*.tgz packed/package.tgz',
    'echo "sum=$(sha256sum < packed/package.tgz)" >> "$GITHUB_OUTPUT"',
    'tag=$(node .ci/release.mjs --dist-tag)',
    'echo "tag=$tag" >> "$GITHUB_OUTPUT"',
    'test "$(sha256sum < package.tgz)" = "$SUM"',
    'npm publish --ignore-scripts --provenance --access public --tag "$TAG" ./package.tgz',
  ]);
});

test('the job with the identity has no clone, installs nothing and publishes the tarball of the job before', () => {
  const { permissions, steps = [] } = workflow('publish.yml').jobs.publish ?? {};
  expect(permissions).toEqual({ 'id-token': 'write' });
  expect(steps.map(({ uses, run }) => uses?.split('@')[0] ?? run?.split(' ').slice(0, 2).join(' '))).toEqual([
    ...['actions/setup-node', 'actions/download-artifact', 'test "$(sha256sum', 'npm publish'],
  ]);
  expect(steps[2]?.env).toEqual({ SUM: '${{ needs.package.outputs.sum }}' });
});

test('the job for the newest ws runs the contract test, and reports each failure once', () => {
  const one = workflow('ws-newest.yml');
  expect(one.on).toHaveProperty('schedule');
  expect(commandsOf(one).join('\n')).toMatch(
    /npm install --no-save .*ws@latest[^]*vitest run .*spec\/unit\/internals[^]*gh issue list[^]*gh issue create/,
  );
});

test('Dependabot updates npm packages, actions and the image, but not the minor version of ws', () => {
  const { updates } = parse(read('.github/dependabot.yml')) as {
    updates: { 'package-ecosystem': string; directory: string; ignore?: { 'dependency-name': string }[] }[];
  };
  expect(updates.map((one) => `${one['package-ecosystem']} ${one.directory}`)).toEqual([
    ...['npm /', 'github-actions /', 'docker /demo/docker'],
  ]);
  expect(existsSync(join(ROOT, 'demo/docker/Dockerfile'))).toBe(true);
  expect(updates[0]?.ignore?.map((one) => one['dependency-name'])).toContain('ws');
});

describeWith('yamllint')('yamllint', () => {
  test('finds no fault in .github', async () => {
    const rules =
      '{extends: default, rules: {document-start: disable, line-length: {max: 140}, truthy: {check-keys: false}, ' +
      'comments: {min-spaces-from-content: 1}}}';
    const args = ['--strict', '-d', rules, join(ROOT, '.github')];
    const { stdout } = await promisify(execFile)('yamllint', args, { timeout: 15_000 });
    expect(stdout).toBe('');
  });
});
