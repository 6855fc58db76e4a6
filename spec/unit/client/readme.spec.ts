import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CLIENT_DEFAULTS, LISTEN_OPTIONS } from '../../../src/client/options.js';
import { CONNECT_OPTIONS } from '../../../src/command/connect/options.js';
import { table } from '../../support/readme.js';

const namesOf = (rows: string[][]) => rows.map(([name = '']) => name.replaceAll('`', ''));

test("the README names every option of the client, in the code's order, with its default", () => {
  const rows = table('<!-- client options -->');
  expect(namesOf(rows)).toEqual(Object.keys(LISTEN_OPTIONS));
  const given = Object.fromEntries(rows.map(([name = '', value]) => [name.replaceAll('`', ''), value]));
  for (const [name, value] of Object.entries(CLIENT_DEFAULTS))
    expect(given[name], name).toBe(typeof value === 'string' ? `\`'${value}'\`` : String(value));
});

test('the README names every code of its errors', () => {
  const source = readFileSync(new URL('../../../src/client/errors.ts', import.meta.url), 'utf8');
  const codes = Array.from(source.matchAll(/^ {2}(WSTUNNEL_\w+): \{/gm), ([, code]) => code);
  expect(codes.length).toBe(9);
  expect(namesOf(table('<!-- client errors -->'))).toEqual(codes);
});

test('the README names every option of the command', () => {
  const names = Object.entries(CONNECT_OPTIONS).map(
    ([name, spec]) => `--${name}${'value' in spec ? ` ${spec.value}` : ''}`,
  );
  expect(namesOf(table('<!-- connect command options -->'))).toEqual(names);
});
