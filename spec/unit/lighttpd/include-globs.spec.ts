import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readLighttpdConfig } from '../../../src/command/listen/settings/config-lighttpd.js';
import { fromLighttpdConf } from '../../../src/index.js';
import { onCleanup } from '../../support/cleanup.js';
import { refused } from './refused.js';

/** A folder with a subfolder `d`, whose files contain their names. */
function folderOf(names: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'lighttpd-globs-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'd'));
  for (const name of names) writeFileSync(join(folder, 'd', name), `names += ( "${name}" )\n`);
  return folder;
}

function namesFound(pattern: string, names: readonly string[]): readonly string[] {
  const file = join(folderOf(names), 'l.conf');
  const text = `names = ()\ninclude "d/${pattern}"\nindex-file.names = names\n`;
  return fromLighttpdConf(text, { file, include: true }).indexFiles ?? [];
}

describe('issue 13, case 8: include wildcards find every file that lighttpd finds', () => {
  test.each([
    '[[:alpha:]]uard.cfg',
    '[^x]uard.cfg',
    '[]g]uard.cfg',
    'gu[a]rd.cf[[:alnum:]]',
    '[![:digit:]]uard.cfg',
    '[]!g]uard.cfg',
    '[!]x]uard.cfg',
    '[[:digit:][:lower:]]uard.cfg',
    '[a-g]uard.cfg',
    '[-g]uard.cfg',
    '[g-]uard.cfg',
    '[!]-f]uard.cfg',
    '*[.]cfg',
    '{guard,{none,nothing}}.cfg',
    '{guard}.cfg',
    '[{g,x}]uard.cfg',
  ])('%s', (pattern) => {
    expect(namesFound(pattern, ['guard.cfg', '1'])).toEqual(['guard.cfg']);
  });

  test.each([
    ['[^g]uard.cfg', 'guard.cfg'],
    ['[[:upper:]]uard.cfg', 'guard.cfg'],
    ['[!]g]uard.cfg', 'guard.cfg'],
    ['[[:digit:]-]uard.cfg', 'guard.cfg'],
    ['?uard.cfg', 'éuard.cfg'],
    ['[!a]guard.cfg', '.guard.cfg'],
    ['[.]guard.cfg', '.guard.cfg'],
    ['[guard.cfg*', 'guard.cfg'],
  ])('%s does not match %s', (pattern, name) => {
    expect(namesFound(pattern, [name])).toEqual([]);
  });

  test.each([
    ['[[=g=]]uard.cfg', /brackets at character 1 of "\[\[=g=\]\]uard\.cfg"/],
    ['[[.g.]]uard.cfg', /brackets at character 1/],
    ['gu[[:word:]]rd.cfg', /brackets at character 3 .* only alnum, alpha/],
    ['[[:constructor:]]uard.cfg', /only alnum/],
    ['[[:alpha]uard.cfg', /only alnum/],
    ['[z-a]uard.cfg', /the range z-a is reversed/],
    ['[A-[:alpha:]]uard.cfg', /a range can't end with a class/],
    ['[[:alpha:]-z]uard.cfg', /a range can't begin with a class/],
    ['\\guard.cfg', /backslash/],
    ['{a,b}'.repeat(7), /more than 100 alternatives/],
    ['*'.repeat(5000), /more than 4096 characters/],
  ])('%s is refused with its position', (pattern, reason) => {
    const file = join(folderOf(['guard.cfg']), 'l.conf');
    const message = refused(`\n  include "d/${pattern}"\n`, { file, include: true });
    expect(message).toMatch(/l\.conf:2:3: can't include "d\//);
    expect(message).toContain(JSON.stringify(`d/${pattern}`));
    expect(message).toMatch(reason);
  });

  test('many stars are matched quickly', { timeout: 10_000 }, () => {
    const name = 'a'.repeat(120);
    expect(namesFound(`${'*a'.repeat(30)}*b`, [name])).toEqual([]);
    expect(namesFound(`${'*a'.repeat(120)}*`, [name])).toEqual([name]);
    expect(namesFound('*[ab]*ab*', ['aab', 'ab', 'abab', 'aba'])).toEqual(['aab', 'abab']);
  });

  test('files of several folders are sorted by their whole paths, each once', () => {
    const folder = folderOf([]);
    for (const name of ['a', 'a-b']) {
      mkdirSync(join(folder, 'd', name));
      writeFileSync(join(folder, 'd', name, 'x'), `names += ( "${name}" )\n`);
    }
    const text = `names = ()\ninclude "d/*/{x,{y,z}}"\nindex-file.names = names\n`;
    const found = fromLighttpdConf(text, { file: join(folder, 'l.conf'), include: true });
    expect(found.indexFiles).toEqual(['a-b', 'a']);
  });

  test('a dangling link is an error, for a wildcard too', () => {
    const folder = folderOf([]);
    symlinkSync('none', join(folder, 'd/guard.cfg'));
    for (const pattern of ['d/*', 'd/{guard,x}.cfg'])
      expect(refused(`include "${pattern}"`, { file: join(folder, 'l.conf'), include: true })).toMatch(
        /ENOENT.*d\/guard\.cfg/,
      );
  });
});

describe('issue 13, case 8: an include without an end is an error', () => {
  const message = (folder: string, path: string) =>
    refused(`include "${path}"\n`, { file: join(folder, 'l.conf'), include: true });
  const ofCommand = (folder: string, path: string) => () =>
    readLighttpdConfig(`include "${path}"\n`, join(folder, 'l.conf'), []);

  test.each(['d/pipe', 'd/*'])('a FIFO, as %s', { timeout: 10_000 }, (path) => {
    const folder = folderOf([]);
    execFileSync('mkfifo', [join(folder, 'd/pipe')]);
    expect(message(folder, path)).toContain(`${folder}/d/pipe: only a regular file can be included`);
    expect(ofCommand(folder, path)).toThrow(`: ${folder}/d/pipe: only a regular file can be included`);
  });

  test('a device, and a folder', { timeout: 10_000 }, () => {
    const folder = folderOf([]);
    expect(message(folder, '/dev/zero')).toContain('/dev/zero: only a regular file can be included');
    expect(message(folder, 'd')).toContain(`${folder}/d: a folder can't be included`);
  });

  test('a file that is too long, and several whose total length is', { timeout: 10_000 }, () => {
    const folder = folderOf(['a', 'b']);
    truncateSync(join(folder, 'd/a'), 2 ** 40);
    expect(message(folder, 'd/a')).toContain(`${folder}/d/a: the included files are too long`);
    expect(message(folder, 'd/?')).toContain(`${folder}/d/a: the included files are too long`);
    for (const name of ['a', 'b']) truncateSync(join(folder, 'd', name), 2 * 2 ** 20);
    expect(message(folder, 'd/?')).toContain(`${folder}/d/b: the included files are too long`);
  });

  test('the command names a file that a wildcard found and that cannot be read', () => {
    const folder = folderOf([]);
    symlinkSync('none', join(folder, 'd/x'));
    expect(ofCommand(folder, 'd/*')).toThrow(`${folder}/d/x: there is no such file or folder`);
  });

  test('a file that includes itself is a loop, and its text is read once', () => {
    const folder = folderOf([]);
    const [file, other] = [join(folder, 'l.conf'), join(folder, 'd/o.conf')];
    const text = 'x = 1\ninclude "d/o.conf"\n';
    writeFileSync(file, text);
    writeFileSync(other, 'y = 1\ninclude "l.conf"\n');
    expect(refused(text, { file, include: true })).toBe(
      `${other}:2:1: files include each other in a loop: ${file} -> ${other} -> ${file}`,
    );
    writeFileSync(other, 'y = 1\ninclude "d/*.conf"\n');
    expect(refused(text, { file, include: true })).toBe(
      `${other}:2:1: files include each other in a loop: ${other} -> ${other}`,
    );
  });

  test('a file that is included twice in sequence is not a loop', () => {
    const file = join(folderOf(['a']), 'l.conf');
    const text = 'names = ()\ninclude "d/a"\ninclude "d/a"\nindex-file.names = names\n';
    expect(fromLighttpdConf(text, { file, include: true }).indexFiles).toEqual(['a', 'a']);
  });
});
