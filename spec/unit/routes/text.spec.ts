import { describe, expect, test } from 'vitest';
import type { TextMatch } from '../../../src/index.js';
import { asHost, compileText } from '../../../src/routes/text-match.js';

describe('the operators', () => {
  test.each<[TextMatch, string[], string[]]>([
    ['a', ['a'], ['', 'A', 'ab', 'ba']],
    [/^a/i, ['a', 'Ab'], ['', 'ba']],
    [
      ['a', /^b/],
      ['a', 'b', 'bx'],
      ['', 'ax'],
    ],
    [{ equals: 'a' }, ['a'], ['b', '']],
    [{ equals: ['a', 'b'] }, ['a', 'b'], ['c']],
    [{ notEquals: 'a' }, ['b', '', 'A'], ['a']],
    [{ notEquals: ['a', 'b'] }, ['c'], ['a', 'b']],
    [{ matches: /a/ }, ['a', 'bab'], ['b']],
    [{ notMatches: /a/ }, ['b', ''], ['a', 'bab']],
    [{ startsWith: 'a' }, ['a', 'ab'], ['', 'ba']],
    [{ endsWith: 'a' }, ['a', 'ba'], ['', 'ab']],
    [{ startsWith: 'a', endsWith: 'b', notMatches: /x/ }, ['ab', 'acb'], ['axb', 'a', 'b', '']],
    [{ startsWith: '', endsWith: '' }, ['', 'a'], []],
    [{}, ['', 'a'], []],
  ])('%o', (match, yes, no) => {
    const test = compileText(match);
    for (const text of yes) expect(test(text), text).toBe(true);
    for (const text of no) expect(test(text), text).toBe(false);
  });
});

describe('the host of a condition', () => {
  test.each<[TextMatch, string[], string[]]>([
    ['desk', ['desk', 'desk:80', 'desk:5900', 'desk:', 'desk:x'], ['', 'desk2', 'a.desk', 'des', ':80']],
    ['Desk:8443', ['desk:8443', 'desk'], ['desk:80', 'a:8443']],
    ['[::1]', ['[::1]', '[::1]:80'], ['[::2]', '::1']],
    ['[::1]:80', ['[::1]', '[::1]:80'], ['[::1]:81']],
    [{ notEquals: 'desk' }, ['other', ''], ['desk', 'desk:80']],
    [{ endsWith: '.desk' }, ['a.desk'], ['a.desk:80']],
  ])('%o', (match, yes, no) => {
    const test = compileText(match, asHost);
    for (const text of yes) expect(test(text), text).toBe(true);
    for (const text of no) expect(test(text), text).toBe(false);
  });
});
