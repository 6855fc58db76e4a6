import { expect, test } from 'vitest';
import { afterPendingReads } from '../../../src/streams/pending-reads.js';

function standStill(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('after a blocked event-loop turn another turn reads queued input first', async () => {
  const order: string[] = [];
  afterPendingReads((stood) => order.push(`judged, ${stood >= 40 ? 'after a stall' : 'at once'}`));
  standStill(40);
  setImmediate(() => order.push('came'));
  for (let i = 0; i < 5; i++) await turn();
  expect(order).toEqual(['came', 'judged, after a stall']);
});

test('after long turns only, the third turn is the last', async () => {
  let turns = 0;
  const judged = new Promise<number>((resolve) => afterPendingReads(() => resolve(turns)));
  const next = () => {
    turns++;
    standStill(20);
    if (turns < 10) setImmediate(next);
  };
  next();
  expect(await judged).toBe(3);
});

test('a stopped check calls back no more, in any turn', async () => {
  let calls = 0;
  const stop = afterPendingReads(() => calls++);
  standStill(20);
  await turn();
  stop();
  for (let i = 0; i < 5; i++) await turn();
  expect(calls).toBe(0);
});
