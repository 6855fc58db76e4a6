import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Questions } from '../../../src/replicas/questions.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const sent = () => Promise.resolve();
const answer = (from: string, data: unknown = from, question = 'q') =>
  ({ kind: 'answer', from, question, data }) as const;

test('a question ends when all replicas have answered', async () => {
  const questions = new Questions();
  const collected = questions.collect('q', ['a', 'b'], 1, sent);
  questions.received(answer('b', 2));
  questions.received(answer('a', null));
  expect(await collected).toEqual({ answers: new Map([['b', 2], ['a', null]]), silent: [] }); // prettier-ignore
});

test('replicas without an answer at the deadline are silent', async () => {
  const questions = new Questions();
  const collected = questions.collect('q', ['a', 'b', 'c'], 1, sent);
  questions.received(answer('b'));
  await vi.advanceTimersByTimeAsync(1000);
  const { answers, silent } = await collected;
  expect([[...answers], silent]).toEqual([[['b', 'b']], ['a', 'c']]);
  questions.received(answer('a'));
  expect(answers.size).toBe(1);
});

test('a second answer, an answer from an unknown replica and an answer to another question do not count', async () => {
  const questions = new Questions();
  const collected = questions.collect('q', ['a', 'b'], 1, sent);
  questions.received(answer('a', 1));
  questions.received(answer('a', 2));
  questions.received(answer('x', 3));
  questions.received(answer('b', 4, 'other'));
  questions.received(answer('b', 5));
  expect([...(await collected).answers]).toEqual([['a', 1], ['b', 5]]); // prettier-ignore
});

test('an answer may arrive before the sending is confirmed', async () => {
  const questions = new Questions();
  const collected = questions.collect('q', ['a'], 1, () => {
    questions.received(answer('a'));
    return new Promise(() => undefined);
  });
  expect((await collected).silent).toEqual([]);
});

test('a question that cannot be sent makes all replicas silent at once', async () => {
  const questions = new Questions();
  const collected = questions.collect('q', ['a', 'b'], 60, () => Promise.reject(new Error('down')));
  expect((await collected).silent).toEqual(['a', 'b']);
});

test('a question to nobody is not sent', async () => {
  const ask = vi.fn(sent);
  expect(await new Questions().collect('q', [], 60, ask)).toEqual({ answers: new Map(), silent: [] });
  expect(ask).not.toHaveBeenCalled();
});

test('a question beyond a thousand open ones is sent, and gets no answers', async () => {
  const questions = new Questions();
  const open = Array.from({ length: 1000 }, (_, index) => questions.collect(String(index), ['a'], 1, sent));
  const ask = vi.fn(sent);
  expect(await questions.collect('q', ['a'], 1, ask)).toEqual({ answers: new Map(), silent: ['a'] });
  expect(ask).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1000);
  await Promise.all(open);
  const next = questions.collect('q', ['a'], 1, sent);
  questions.received(answer('a'));
  expect((await next).silent).toEqual([]);
});

test('close() ends all questions with the answers so far', async () => {
  const questions = new Questions();
  const collected = [questions.collect('q', ['a', 'b'], 60, sent), questions.collect('r', ['a'], 60, sent)];
  questions.received(answer('b'));
  questions.close();
  expect((await Promise.all(collected)).map(({ silent }) => silent)).toEqual([['a'], ['a']]);
});
