import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CLOSE, codeOf, endingOf } from '../../../src/streams/close-causes.js';

const SRC = join(import.meta.dirname, '../../../src');

/** The table of ends, the rules of RFC 6455 about codes, and the table of refusals. */
const TABLES = ['streams/close-causes.ts', 'frames/close-codes.ts', 'errors.ts'];

test('no file outside of the tables writes a close code as a number', () => {
  const codes = Object.values(CLOSE).filter((code) => code !== CLOSE.normal);
  const literal = new RegExp(
    `(?<![\\w.])(?:${codes.join('|')}|code\\w* (?:[=!]==|=|\\?\\?) 1000|close\\(1000)(?!\\w)`,
  );
  const found = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !TABLES.includes(file))
    .flatMap((file) => {
      const code = readFileSync(join(SRC, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*|'[^'\n]*'/g, '');
      return code
        .split('\n')
        .filter((line) => literal.test(line))
        .map((line) => `${file}: ${line.trim()}`);
    });
  expect(found).toEqual([]);
});

test('an ending has the close code of its cause, unless another code is given', () => {
  expect(endingOf('idle', 'idle for 60 s')).toEqual({ cause: 'idle', code: 1001, reason: 'idle for 60 s' });
  expect(endingOf('drain', 'bye', 3000)).toEqual({ cause: 'drain', code: 3000, reason: 'bye' });
  expect(codeOf('ended-by-app')).toBe(1008);
});
