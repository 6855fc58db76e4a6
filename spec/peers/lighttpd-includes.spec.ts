import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { fromLighttpdConf } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { LIGHTTPD } from '../support/lighttpd-version.js';
import { describeWith } from '../support/programs.js';

const NAMES = [
  ...['guard', 'xuard', 'Xuard', ']uard', '!uard', '^uard', '-uard', '[uard', '1uard', ' uard', 'éuard'],
  ...['.uard', '.guard', 'a{b', 'a,b', '{uard', '}uard', ':uard', '=uard', '_uard', '~uard', 'aab', 'abab'],
];

const PATTERNS = [
  ...['*', '?uard', '??uard', '*u*', '*a*b', '.?uard', '[.]uard', '[!a]guard', 'g*', 'none*', '.[g]*'],
  ...['[^x]uard', '[!x]uard', '[]g]uard', '[!]g]uard', '[]!g]uard', '[^]^]uard', '[x^]uard', '[x!]uard'],
  ...['[a-z]uard', '[A-z]uard', '[-g]uard', '[g-]uard', '[!-g]uard', '[--g]uard', '[]-g]uard', '[a-g-x]uard'],
  ...[
    '[[]uard',
    '[[x]uard',
    '[é]uard',
    '[é][é]uard',
    '[guard',
    '[:alpha:]uard',
    '[[:digit:]-]uard',
    '[]uard',
  ],
  ...['alnum', 'alpha', 'blank', 'cntrl', 'digit', 'graph', 'lower', 'print', 'punct', 'space', 'upper'].map(
    (name) => `[[:${name}:]]uard`,
  ),
  ...['[[:xdigit:]_]uard', '[![:alpha:]]uard', '[^[:lower:][:digit:]]uard'],
  ...['{guard,xuard}', '{xuard,guard}', '{guard,{1,x}uard}', '{guard}', '{}guard', '[{g,x}]uard', 'a{b'],
  ...['{x{guard,xuard}', '{guard,guard}', '{g,x}{u,v}ard', '{uard', '{g*,?uard}'],
];

describeWith('lighttpd')('issue 13, case 8: wildcards beside lighttpd', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lighttpd-includes-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'l.conf');

  test('find the same files in the same order', { timeout: 120_000 }, async () => {
    mkdirSync(join(folder, 'd'), { recursive: true });
    for (const name of NAMES) writeFileSync(join(folder, 'd', name), `names += ( "${name}" )\n`);
    for (const pattern of PATTERNS) {
      const text = `server.document-root = "/tmp"\nnames = ()\ninclude "d/${pattern}"\nindex-file.names = names\n`;
      writeFileSync(file, text);
      const { stdout } = await promisify(execFile)(LIGHTTPD, ['-p', '-f', file], { timeout: 20_000 });
      const [, list = ''] = /index-file\.names\s*=\s*\(([^()]*)\)/.exec(stdout) ?? [];
      const expected = Array.from(list.matchAll(/"([^"]*)"/g), ([, name]) => name);
      const found = fromLighttpdConf(text, { file, include: true }).indexFiles ?? [];
      expect({ pattern, found }).toEqual({ pattern, found: expected });
    }
  });
});
