// .github/THREATS.md names the tests for each line of .github/SECURITY.md: every promise of the pages needs a test.
import { existsSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { readOptions } from '../../src/options/read-tunnel.js';
import { page, table } from '../support/readme.js';

const SECURITY = page('.github/SECURITY.md');
const THREATS = page('.github/THREATS.md');
const TABLES = ['attackers', 'guards', 'defaults', 'published', 'reports'].map(
  (name) => [name, table(THREATS, `<!-- threats: ${name} -->\n`)] as const,
);
const linesOf = (wanted: string) =>
  TABLES.flatMap(([name, rows]) => (name === wanted ? rows.map(([line = '']) => line) : []));

/** The rows of the table below a heading of SECURITY.md. */
function rowsBelow(heading: string): string[][] {
  const [, rest = ''] = SECURITY.split(`${heading}\n`);
  return table(`<!-- x -->\n${rest.slice(rest.indexOf('|'))}`, '<!-- x -->');
}

describe('every line of SECURITY.md has a row in THREATS.md', () => {
  test('what attackers must not be able to do', () => {
    const promised = rowsBelow('### Attackers').flatMap(([, , cannot = '']) => cannot.split('; '));
    expect(promised.length).toBeGreaterThan(10);
    expect(linesOf('attackers')).toEqual(promised);
  });

  test('what the tunnel guards', () => {
    const [, section = ''] = SECURITY.split(/^### What the tunnel guards$/m);
    const [list = ''] = section.split(/^###? /m);
    const promised = Array.from(list.matchAll(/^- \*\*(.*?)\*\*/gm), ([, guard = '']) => guard);
    expect(promised.length).toBeGreaterThan(4);
    expect(linesOf('guards')).toEqual(promised);
  });

  test('safe defaults', () => {
    expect(linesOf('defaults')).toEqual(rowsBelow('## Safe defaults').map(([what]) => what));
  });
});

describe.each(TABLES)('THREATS.md, table %s', (_name, rows) => {
  test.each(rows.map(([line = '', tests = '']) => [line, tests] as const))(
    '%s: its tests exist',
    (_line, tests) => {
      const links = Array.from(
        tests.matchAll(/\[([^\]]+)\]\(\.\.\/(spec\/[^)]+)\)/g),
        ([, title = '', file = '']) => ({
          title,
          file,
        }),
      );
      expect(links.length).toBeGreaterThan(0);
      // Text beside the links would look like a test.
      expect(tests.replace(/\[[^\]]+\]\([^)]+\)(; )?/g, '')).toBe('');
      const missing = links.filter(({ title, file }) => {
        const path = new URL(`../../${file}`, import.meta.url);
        return !existsSync(path) || !hasTitle(readFileSync(path, 'utf8'), title);
      });
      expect(missing).toEqual([]);
    },
  );
});

/** `CVE-2024-1`, `OSSN-1`, `GHSA-x`, and of `(websockify 3, 290; ws 113)` the pairs of a program and the number of its report. */
function failuresIn(line: string): string[] {
  const named = line.match(/CVE-[\d-]+\d|OSSN-\d+|GHSA-[\w-]+/g) ?? [];
  const lists = Array.from(line.matchAll(/([A-Za-z][\w./-]*) (\d+(?:, \d+)*)(?![-\w])/g));
  return [
    ...named,
    ...lists.flatMap(([, program = '', numbers = '']) =>
      numbers.split(', ').map((one) => `${program} ${one}`),
    ),
  ];
}

describe.each(TABLES.slice(3))('THREATS.md, table %s, names', (_name, rows) => {
  const numbered = rows.filter(([line = '']) => failuresIn(line).length > 0);

  test.each(numbered.map(([line = '', tests = '']) => [line, tests] as const))(
    '%s: a test bears the name',
    (line, tests) => {
      const titles = Array.from(tests.matchAll(/\[([^\]]+)\]\(/g), ([, title = '']) => title);
      const borne = new Set(titles.flatMap(failuresIn));
      expect(failuresIn(line).filter((failure) => borne.has(failure))).not.toEqual([]);
    },
  );

  test('most rows have the number of a failure', () => {
    expect(numbered.length).toBeGreaterThan(rows.length * 0.7);
  });
});

/** Does the text have a test, or a group of tests, with exactly this title? Placeholders count as they are written. */
function hasTitle(text: string, title: string): boolean {
  let isFound = false;
  const visit = (node: ts.Node): void => {
    isFound ||= ts.isCallExpression(node) && titlesOf(node).includes(title);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('a.spec.ts', text, ts.ScriptTarget.Latest, true));
  return isFound;
}

/** Of `test.each(rows)('%s', …)` the titles are in the rows. */
function titlesOf(call: ts.CallExpression): string[] {
  const title = titleOf(call);
  if (title === undefined) return [];
  const rows = ts.isCallExpression(call.expression) ? call.expression.arguments[0] : undefined;
  if (title !== '%s' || rows === undefined || !ts.isArrayLiteralExpression(rows)) return [title];
  const firsts = rows.elements.map((row) => (ts.isArrayLiteralExpression(row) ? row.elements[0] : row));
  return firsts.flatMap((first) => (first && ts.isStringLiteral(first) ? [first.text] : []));
}

/** The first argument of `test(…)`, `test.each(…)(…)`, `describeWith(…)(…)` and the like; of `test.skip` and `test.todo` none. */
function titleOf(call: ts.CallExpression): string | undefined {
  const [first] = call.arguments;
  // `test.each('x')` has a call around it, with the title.
  const isInner = ts.isCallExpression(call.parent) && call.parent.expression === call;
  if (first === undefined || isInner || !isTest(call.expression)) return undefined;
  if (ts.isStringLiteral(first)) return first.text;
  // A template as it is written, with its `${…}`.
  return ts.isTemplateLiteral(first) ? first.getText().slice(1, -1) : undefined;
}

function isTest(callee: ts.Expression): boolean {
  if (ts.isCallExpression(callee)) return isTest(callee.expression);
  if (ts.isPropertyAccessExpression(callee))
    return !['skip', 'todo'].includes(callee.name.text) && isTest(callee.expression);
  return ts.isIdentifier(callee) && /^(test|it|describe)([A-Z]|$)/.test(callee.text);
}

test.each([
  "test('a client gets 429', () => {});",
  'it("a client gets 429", { timeout: 1 }, run);',
  "describe('a client gets 429', () => {});",
  "describe('x', () => { test.each([1])('a client gets 429', () => {}); });",
  "test.skipIf(isWindows)('a client gets 429', () => {});",
  "describeWith('nginx')('a client gets 429', () => {});",
  "test.each([['a client gets 429', 1]])('%s', () => {});",
  'for (const x of []) test(`a client gets 429`, () => {});',
])('a title counts in: %s', (text) => {
  expect(hasTitle(text, 'a client gets 429')).toBe(true);
  expect(hasTitle(text, 'a client gets')).toBe(false);
});

test.each([
  '// a client gets 429\n',
  "// test('a client gets 429', () => {});",
  "const title = 'a client gets 429';",
  "expect(text).toBe('a client gets 429');",
  "test.skip('a client gets 429', () => {});",
  "describe.todo('a client gets 429');",
  "/x/.test('a client gets 429');",
  "describeWith('a client gets 429')('x', () => {});",
  "test.each('a client gets 429')('x', () => {});",
  "test('x', () => {}, 'a client gets 429');",
  "test.each(['a client gets 429'])('x %s', () => {});",
])('no title is in: %s', (text) => {
  expect(hasTitle(text, 'a client gets 429')).toBe(false);
});

test('a title of a template counts with its placeholders', () => {
  expect(hasTitle('test(`from ${seed}`, run);', 'from ${seed}')).toBe(true);
});

test('the defaults of the options are those that SECURITY.md promises', () => {
  const { base, limits } = readOptions({ server: { port: 1 } });
  expect(base).toMatchObject({ handshakeTimeout: 30, pingInterval: 30, pongTimeout: 20 });
  expect(limits).toMatchObject({ total: 0, perClient: 0, buffered: 1_048_576 });
  expect(limits.opening).toEqual({ total: 1000, perClient: 750 });
});
