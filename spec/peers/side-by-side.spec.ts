import { describe, expect, test } from 'vitest';
import { ByVersion } from '../support/lighttpd-version.js';
import { LIGHTTPD, table } from '../support/readme.js';
import { BALANCE } from './cases/balance.js';
import { ENDS } from './cases/ends.js';
import { FRAMES } from './cases/frames.js';
import { HANDSHAKES } from './cases/handshakes.js';
import { HOSTS } from './cases/hosts.js';
import { ROUTING } from './cases/routing.js';
import { DIFFERENCES } from './differences.js';
import { ROWS, type Row } from './rows.js';

const CASES = [...HANDSHAKES, ...ROUTING, ...HOSTS, ...BALANCE, ...FRAMES, ...ENDS];
const namesOf = (row: Row) => ('elsewhere' in row ? [] : row);

describe('the table of cases', () => {
  test('names each case once', () => {
    const names = CASES.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
  });

  test('has a case for each row of mod_wstunnel', () => {
    const names = new Set(CASES.map(({ name }) => name));
    for (const [row, covering] of Object.entries(ROWS))
      for (const name of namesOf(covering)) expect(names, row).toContain(name);
  });

  test('differs exactly where the page says, with the reason', () => {
    const rows = table(LIGHTTPD, '<!-- differs from lighttpd -->');
    expect(Object.fromEntries(rows.map(([subject, , , why]) => [subject, why]))).toEqual(DIFFERENCES);
    expect(rows.map(([subject]) => subject)).toEqual(Object.keys(DIFFERENCES));
    for (const row of rows) expect(row, row[0]).toHaveLength(4);
    const seen = new Set(CASES.flatMap(({ differs }) => differs?.subject ?? []));
    expect([...seen].sort()).toEqual(Object.keys(DIFFERENCES).sort());
  });

  test('issue 13, case 15: a row of the page names each version in which lighttpd changed', () => {
    const rows = new Map(
      table(LIGHTTPD, '<!-- differs from lighttpd -->').map(([subject, text]) => [subject, text]),
    );
    for (const { name, differs } of CASES) {
      if (!(differs?.lighttpd instanceof ByVersion)) continue;
      const text = rows.get(differs.subject)?.toLowerCase();
      for (const version of differs.lighttpd.changes) expect(text, name).toContain(`since ${version}`);
    }
  });
});
