// CI passes by the last line of .ci/results.mjs, so this script must not take an incomplete run for a good one.
import { mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { ROOT, run, temporaryFolder } from './packed.js';

const RESULTS = join(ROOT, '.ci/results.mjs');
const GOOD = { files: ['a.spec.ts'], passed: 2, bad: [], errors: [], seconds: { 'a.spec.ts': 1 } };
const BAD = { file: 'a.spec.ts', title: 'one', why: 'failed' };
type Report = Omit<typeof GOOD, 'bad'> & { bad: (typeof BAD)[] };
const base = temporaryFolder();
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(base, 'results-'));
});

const write = (name: string, report: unknown) =>
  writeFile(join(folder, `${name}.json`), typeof report === 'string' ? report : JSON.stringify(report));
const results = (...args: string[]) => run(process.execPath, [RESULTS, ...args], folder);

async function summary(...names: string[]) {
  const { code, stdout } = await results('summary', folder, ...names);
  return { code, last: stdout.trimEnd().split('\n').at(-1), stdout };
}

describe('the summary of a run of CI', () => {
  test('passes if every named run has tests, and all passed', async () => {
    await write('own', GOOD);
    await write('22', GOOD);
    expect(await summary('own', '22')).toMatchObject({ code: 0, last: '4 passed, 0 failed' });
  });

  test.each([
    ['no result', undefined, 'there is no result'],
    ['a result cut short', JSON.stringify(GOOD).slice(0, 20), 'there is no result'],
    ['no test', { ...GOOD, files: [], passed: 0 }, 'no test has run'],
    ['an error outside of any test', { ...GOOD, errors: ['a worker ended'] }, 'a worker ended'],
    ['a failed test', { ...GOOD, bad: [BAD] }, 'FAILED (22): a.spec.ts: one'],
    [
      'a skipped test',
      { ...GOOD, bad: [{ ...BAD, why: 'skipped' }] },
      'FAILED (22): a.spec.ts: one\nskipped',
    ],
  ])('fails if one of two runs has %s', async (_name, report, text) => {
    await write('own', GOOD);
    if (report !== undefined) await write('22', report);
    const { code, last, stdout } = await summary('own', '22');
    expect({ code, last }).toEqual({
      code: 1,
      last: expect.stringMatching(/^[24] passed, 1 failed$/) as string,
    });
    expect(stdout).toContain(text);
  });

  test('fails without a run, and without a folder', async () => {
    expect(await summary()).toMatchObject({ code: 1, last: '0 passed, 0 failed' });
    expect(await results('summary', join(folder, 'none'), 'own')).toMatchObject({ code: 1, stderr: '' });
  });

  test.each([
    ['passes', GOOD, 0, '3 passed, 0 failed'],
    ['fails in another test', { ...GOOD, bad: [{ ...BAD, title: 'two' }] }, 1, '2 passed, 1 failed'],
    ['has no test', { ...GOOD, passed: 0 }, 1, '2 passed, 1 failed'],
    ['has an error', { ...GOOD, errors: ['a worker ended'] }, 1, '2 passed, 1 failed'],
    ['is another file', { ...GOOD, files: ['b.spec.ts'] }, 1, '2 passed, 1 failed'],
    ['has no result', '', 1, '2 passed, 1 failed'],
  ])('counts a failed test by its file that runs again and %s', async (_name, again, code, last) => {
    await write('own', { ...GOOD, bad: [BAD] });
    await write('own.again0', again);
    expect(await summary('own')).toMatchObject({ code, last });
  });
});

describe('after a failed run', () => {
  const again = async () => (await results('failed', join(folder, 'own.json'))).stdout;
  const failedIn = (...files: string[]) => ({ ...GOOD, bad: files.map((file) => ({ ...BAD, file })) });

  test('up to three files run again, and none after an error outside of the tests', async () => {
    await write('own', failedIn('a', 'b', 'c', 'a'));
    expect(await again()).toBe('a\nb\nc\n');
    await write('own', failedIn('a', 'b', 'c', 'd'));
    expect(await again()).toBe('');
    await write('own', { ...failedIn('a'), errors: ['a worker ended'] });
    expect(await again()).toBe('');
  });

  test('the summary fails although no test did', async () => {
    await write('own', GOOD);
    expect(await again()).toBe('');
    expect(await summary('own')).toMatchObject({ code: 1, last: '2 passed, 1 failed' });
  });
});

describe('the reporter', { timeout: 150_000 }, () => {
  async function report(files: Record<string, string>) {
    const project = join(folder, 'project');
    await mkdir(project);
    await symlink(join(ROOT, 'node_modules'), join(project, 'node_modules'));
    await writeFile(
      join(project, 'vitest.config.mjs'),
      "export default { test: { include: ['*.spec.mjs'] } };",
    );
    const first = "import { afterAll, beforeAll, describe, expect, test } from 'vitest';\n";
    for (const [name, text] of Object.entries(files)) await writeFile(join(project, name), `${first}${text}`);
    const file = join(folder, 'own.json');
    const args = ['run', `--reporter=${join(ROOT, '.ci/reporter.mjs')}`];
    const { code } = await run(
      process.execPath,
      [join(ROOT, 'node_modules/vitest/vitest.mjs'), ...args],
      project,
      { CI_REPORT: file, NODE_OPTIONS: '' },
      120_000,
    );
    return { code, ...(JSON.parse(await readFile(file, 'utf8')) as Report) };
  }

  test('counts what is skipped, what does not load, and what no test caused', async () => {
    const { code, passed, bad, errors } = await report({
      'good.spec.mjs': "test('passes', () => {});",
      'bad.spec.mjs': "test('fails', () => expect(1).toBe(2)); test('passes too', () => {});",
      'skipped.spec.mjs':
        "test.skip('is skipped', () => {}); test.todo('is planned'); test('runs', () => {});",
      'broken.spec.mjs': "import './missing.mjs'; test('is never collected', () => {});",
      'empty.spec.mjs': '',
      'group.spec.mjs':
        "describe('group', () => { beforeAll(() => { throw new Error('x'); }); test('has no start', () => {}); });",
      'after.spec.mjs':
        "describe('group', () => { afterAll(() => { throw new Error('x'); }); test('leaves something', () => {}); });",
      'late.spec.mjs': "test('ends too early', () => { setTimeout(() => { throw new Error('late'); }); });",
    });
    expect({ code, passed }).toEqual({ code: 1, passed: 5 });
    expect(bad.map(({ file, title }) => `${file}: ${title}`).sort()).toEqual([
      'after.spec.mjs: group',
      'bad.spec.mjs: fails',
      'broken.spec.mjs: the file itself',
      'empty.spec.mjs: the file itself',
      'group.spec.mjs: group',
      'group.spec.mjs: group > has no start',
      'skipped.spec.mjs: is planned',
      'skipped.spec.mjs: is skipped',
    ]);
    expect(errors).toEqual([expect.stringContaining('late')]);
    expect(await summary('own')).toMatchObject({ code: 1, last: '5 passed, 9 failed' });
  });

  test('of a run without any file makes CI fail', async () => {
    expect((await report({})).passed).toBe(0);
    expect(await summary('own')).toMatchObject({ code: 1, last: '0 passed, 1 failed' });
  });
});
