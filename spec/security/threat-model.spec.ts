// .github/THREATS.md names the tests for each line of .github/SECURITY.md: every promise of the pages needs a test.
import { existsSync, readFileSync } from 'node:fs';
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

/** Does the text have a string that contains the title, as the first argument of a test or of a group of tests? */
function hasTitle(text: string, title: string): boolean {
  return Array.from(text.matchAll(/(['"`])(?:\\.|(?!\1).)*\1/g), ([quoted]) =>
    quoted.replace(/\\(['"`])/g, '$1'),
  ).some((quoted) => quoted.includes(title));
}

test('a title in a comment does not count as a test', () => {
  expect(hasTitle("test('a client gets 429', () => {});", 'a client gets 429')).toBe(true);
  expect(hasTitle('// a client gets 429\n', 'a client gets 429')).toBe(false);
});

test('the defaults of the options are those that SECURITY.md promises', () => {
  const { base, limits } = readOptions({ server: { port: 1 } });
  expect(base).toMatchObject({ handshakeTimeout: 30, pingInterval: 30, pongTimeout: 20 });
  expect(limits).toMatchObject({ total: 0, perClient: 0, buffered: 1_048_576 });
  expect(limits.opening).toEqual({ total: 1000, perClient: 750 });
});
