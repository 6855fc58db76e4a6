import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { page } from '../support/readme.js';

const SRC = new URL('../../src/', import.meta.url);
const MAP = page('src/README.md');
const section = (heading: string): string => {
  const [, text = ''] = new RegExp(`^## ${heading}\\n([^]*?)(?=^## |$(?![^]))`, 'm').exec(MAP) ?? [];
  return text;
};
const codeIn = (text: string): string[] => Array.from(text.matchAll(/`([^`\n]+)`/g), ([, code = '']) => code);
const folders = (folder: URL): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []));

describe('the map of the source', () => {
  test('lists every room, and no other', () => {
    const rooms = [...section('Rooms').matchAll(/^\| (.*?) \|/gm)]
      .flatMap(([, cell = '']) => codeIn(cell))
      .filter((code) => code.endsWith('/'))
      .map((code) => code.slice(0, -1));
    expect(rooms.sort()).toEqual(folders(SRC).sort());
  });

  test('names files that exist', () => {
    const files = codeIn(MAP).filter((code) => /^[\w.-]+\/[\w./-]+\.[cm]?ts$/.test(code));
    expect(files.length).toBeGreaterThan(40);
    const roots = ['', '../', 'internals/'].map((root) => new URL(root, SRC));
    expect(files.filter((file) => !roots.some((root) => existsSync(new URL(file, root))))).toEqual([]);
  });

  const rows = [
    ...section('Internals of Node, Express and ws').matchAll(
      /^\| `([\w.-]+\.ts)` \| (.*?) \| .* \| (.*?) \|$/gm,
    ),
  ];

  test('lists every internal of Node, Express, ws and engine.io that src/internals reads', () => {
    const listed = new Set(
      rows.flatMap(([, file = '', accessors = '']) => codeIn(accessors).map((one) => `${file} ${one}`)),
    );
    const folder = new URL('internals/', SRC);
    const exported = readdirSync(folder).flatMap((file) =>
      Array.from(
        readFileSync(new URL(file, folder), 'utf8').matchAll(/^export (?:function|class|const) (\w+)/gm),
        ([, name = '']) => `${file} ${name}`,
      ),
    );
    expect([...listed].sort()).toEqual(exported.sort());
  });

  test('names tests of the internals that exist', () => {
    const folder = new URL('./internals/', import.meta.url);
    const titles = readdirSync(folder).map((file) =>
      readFileSync(new URL(file, folder), 'utf8').replaceAll("\\'", "'"),
    );
    const named = rows
      .flatMap(([, , , tests = '']) => tests.split('; '))
      .filter((one) => !one.startsWith('`'));
    const parts = named
      .flatMap((one) => one.split('...').map((part) => part.trim()))
      .filter((part) => part !== '');
    expect(parts.filter((part) => !titles.some((text) => text.includes(part)))).toEqual([]);
  });
});
