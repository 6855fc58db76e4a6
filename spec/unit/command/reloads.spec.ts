import { expect, test } from 'vitest';
import { NOT_RELOADED, Reloads } from '../../../src/command/listen/reloads.js';
import { deferred } from '../../support/wait.js';

function make() {
  const running: ReturnType<typeof deferred<void>>[] = [];
  const lines: string[] = [];
  const state = { isEnding: false };
  const reloads = new Reloads({
    reload: () => {
      const one = deferred();
      running.push(one);
      return one.promise;
    },
    isEnding: () => state.isEnding,
    message: (line) => lines.push(line),
  });
  return { reloads, running, lines, state };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('any number of signals during a reload lead to one more reload, after the first', async () => {
  const { reloads, running, lines } = make();
  reloads.request();
  await settled();
  for (let i = 0; i < 3; i++) reloads.request();
  await settled();
  expect(running).toHaveLength(1);
  expect(lines).toEqual(['SIGHUP: another reload follows this one']);
  running[0]!.resolve();
  await settled();
  expect(running).toHaveLength(2);
  running[1]!.resolve();
  await settled();
  expect(running).toHaveLength(2);
  reloads.request();
  await settled();
  expect(running).toHaveLength(3);
});

test('no reload begins before the start is done, even if the start fails', async () => {
  const { reloads, running } = make();
  const started = deferred();
  reloads.runAfter(started.promise);
  reloads.request();
  await settled();
  expect(running).toHaveLength(0);
  started.reject(new Error('no port'));
  await settled();
  expect(running).toHaveLength(1);
});

test('no reload begins during the end of the command', async () => {
  const { reloads, running, lines, state } = make();
  reloads.request();
  await settled();
  reloads.request();
  state.isEnding = true;
  running[0]!.resolve();
  await settled();
  reloads.request();
  await settled();
  expect(running).toHaveLength(1);
  expect(lines.slice(1)).toEqual([NOT_RELOADED, NOT_RELOADED]);
});
