import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LISTENER_OPTIONS } from '../../../src/client/options.js';
import { CONNECT_FLAGS } from '../../../src/command/connect/connect-flags.js';
import { defaultsOf } from '../../../src/options/row.js';
import { CLIENT, CONNECT, table } from '../../support/readme.js';

const namesOf = (rows: string[][]) => rows.map(([name = '']) => name.replaceAll('`', ''));

test("the page of the client names every option of the client, in the code's order, with its default", () => {
  const rows = table(CLIENT, '<!-- client options -->');
  expect(namesOf(rows)).toEqual(Object.keys(LISTENER_OPTIONS));
  const given = Object.fromEntries(rows.map(([name = '', value]) => [name.replaceAll('`', ''), value]));
  for (const [name, value] of Object.entries(defaultsOf(LISTENER_OPTIONS)))
    if (value !== undefined)
      expect(given[name], name).toBe(typeof value === 'string' ? `\`'${value}'\`` : String(value));
});

test('the README names every code of its errors', () => {
  const source = readFileSync(new URL('../../../src/client/client-error.ts', import.meta.url), 'utf8');
  const codes = Array.from(source.matchAll(/^ {2}(WSTUNNEL_\w+): \{/gm), ([, code]) => code);
  expect(codes.length).toBe(9);
  expect(namesOf(table(CLIENT, '<!-- client errors -->'))).toEqual(codes);
});

test('the README names every option of the command', () => {
  const names = Object.entries(CONNECT_FLAGS).map(
    ([name, spec]) => `--${name}${'value' in spec ? ` ${spec.value}` : ''}`,
  );
  expect(namesOf(table(CONNECT, '<!-- connect command options -->'))).toEqual(names);
});
