import createDebug from 'debug';
import { afterEach, expect, test } from 'vitest';
import { createLog } from '../../../src/observe/log.js';
import { storyOf, timeSince } from '../../../src/observe/story.js';
import { debugLines } from '../../support/debug-lines.js';

afterEach(() => createDebug.disable());

test('a connection has no story, and nothing is built for it, while no debug line is printed', () => {
  createDebug.disable();
  for (const level of [0, 1, 2, 3]) expect(storyOf(createLog(level), 'id')).toBeUndefined();
  expect(storyOf(createLog(4), 'id')).toBeDefined();
});

test('DEBUG with one area is enough for a story, of that area alone', () => {
  const lines = debugLines();
  createDebug.enable('wstunnel:backend');
  const story = storyOf(createLog(0), 'the-id');
  story?.tell('guard', 'a check');
  story?.tell('backend', 'chose %s', 'a\nhost');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/ wstunnel:backend the-id chose a\\u000ahost$/);
});

test('a time has a unit that fits', () => {
  expect(timeSince(performance.now())).toMatch(/^\d\.\d ms$/);
  expect(timeSince(performance.now() - 1500)).toMatch(/^15\d\d ms$/);
  expect(timeSince(performance.now() - 61_000)).toMatch(/^61\.\d s$/);
});
