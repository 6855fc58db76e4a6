import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { anchors, contentsOf, linksOf, markdownFiles } from '../support/markdown.js';
import { page } from '../support/readme.js';

const FILES = markdownFiles();
/** The documentation pages of the rooms in `src/`. */
const ROOMS = FILES.filter((file) => /^(src|spec|demo)\//.test(file));
const exists = (path: string) => existsSync(new URL(`../../${path}`, import.meta.url));

test('the repository has pages', () => {
  expect(FILES).toEqual(expect.arrayContaining(['README.md', 'CHANGELOG.md', 'src/command/README.md']));
  expect(ROOMS.length).toBeGreaterThan(10);
});

describe.each(FILES)('%s', (file) => {
  test('has links that lead to a file and a heading', () => {
    const dead = linksOf(file, page(file)).filter(
      ({ path, anchor }) =>
        !exists(path) || (anchor !== undefined && !anchors(page(path)).includes(decodeURIComponent(anchor))),
    );
    expect(dead.map(({ href }) => href)).toEqual([]);
  });
});

describe.each(ROOMS)('the page %s', (file) => {
  test('lists its sections at the top', () => {
    expect(contentsOf(file, page(file))).toEqual(anchors(page(file), '##'));
  });

  test('leads back to the README', () => {
    expect(linksOf(file, page(file)).map(({ path }) => path)).toContain('README.md');
  });
});

test('every page of a room is found from the README', () => {
  const found = new Set(['README.md']);
  for (const file of found)
    for (const { path } of linksOf(file, page(file)))
      if (path.endsWith('.md') && exists(path)) found.add(path);
  expect(ROOMS.filter((file) => !found.has(file))).toEqual([]);
});

describe('the checks of links', () => {
  test('give headings the anchors of GitHub', () => {
    const text = "## A `lighttpd.conf` as it is\n```\n# no heading\n```\n### It's 28,000\n## It's 28,000\n";
    expect(anchors(text)).toEqual(['a-lighttpdconf-as-it-is', 'its-28000', 'its-28000-1']);
    expect(anchors(text, '##')).toEqual(['a-lighttpdconf-as-it-is', 'its-28000-1']);
  });

  test('find links in prose, with code as their text, and none in code', () => {
    const text = '[`a`](../x.md#b) `[c](d.md)` [e](https://example.com) [f](#g)\n```\n[h](i.md)\n```\n';
    expect(linksOf('src/y/README.md', text).map(({ path, anchor }) => [path, anchor])).toEqual([
      ['src/x.md', 'b'],
      ['src/y/README.md', 'g'],
    ]);
  });
});
