import createDebug from 'debug';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLog, type Level } from '../../../src/observe/log.js';

let lines: string[];

beforeEach(() => {
  lines = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
});
afterEach(() => {
  vi.restoreAllMocks();
  createDebug.disable();
});

const LEVELS: Level[] = ['error', 'warn', 'info', 'debug'];

/** The levels written at a threshold. */
function written(threshold: number): Level[] {
  lines = [];
  const log = createLog(threshold);
  for (const level of LEVELS) log('guard', level, 'level %s', level);
  return LEVELS.filter((level) => lines.some((line) => line.includes(`level ${level}`)));
}

test('a level includes the levels below', () => {
  expect(written(0)).toEqual([]);
  expect(written(1)).toEqual(['error']);
  expect(written(2)).toEqual(['error', 'warn']);
  expect(written(3)).toEqual(['error', 'warn', 'info']);
  expect(written(4)).toEqual(LEVELS);
  expect(written(65535)).toEqual(LEVELS);
});

test('DEBUG=wstunnel:* prints everything once, at any level', () => {
  createDebug.enable('wstunnel:*');
  for (const threshold of [0, 1, 4]) {
    expect(written(threshold)).toEqual(LEVELS);
    expect(lines).toHaveLength(LEVELS.length);
  }
});

test('DEBUG with one area prints that area', () => {
  createDebug.enable('wstunnel:backend');
  const log = createLog(0);
  for (const area of ['upgrade', 'guard', 'backend', 'tunnel'] as const) log(area, 'debug', 'in %s', area);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('wstunnel:backend');
});

test('the level of one tunnel does not affect another', () => {
  const loud = createLog(4);
  const quiet = createLog(0);
  loud('guard', 'error', 'loud');
  quiet('guard', 'error', 'quiet');
  expect(lines.join('')).toContain('loud');
  expect(lines.join('')).not.toContain('quiet');
});

test('a value stays on one line, whatever it contains', () => {
  createLog(4)(
    'tunnel',
    'info',
    '%s closed %d %s',
    'id',
    1000,
    'bye\r\nwstunnel:guard forged\u2028\u009b31m\u001b[2J',
  );
  expect(lines).toHaveLength(1);
  expect(lines[0]?.trimEnd()).not.toMatch(/[\r\n\u2028\u009b]/);
  expect(lines[0]).not.toContain('\u001b[2J');
  expect(lines[0]).toContain('bye\\u000d\\u000awstunnel:guard forged\\u2028\\u009b31m');
  expect(lines[0]).toContain('closed 1000');
});

test('issue 12, case 16: a value is cut at 1000 characters', () => {
  createLog(4)('tunnel', 'info', 'url %s', `/${'x'.repeat(16_000)}`);
  expect(lines[0]).toContain(`url /${'x'.repeat(998)}…`);
  expect(lines[0]?.length).toBeLessThan(1200);
});
