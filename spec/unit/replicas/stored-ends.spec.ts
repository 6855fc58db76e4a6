import { describe, expect, test, vi } from 'vitest';
import type { StoredEnd } from '../../../src/replicas/backplane.js';
import type { EndCall } from '../../../src/replicas/messages.js';
import { isAfter } from '../../../src/replicas/end-ids.js';
import { StoredEnds } from '../../../src/replicas/stored-ends.js';
import { deferred } from '../../support/wait.js';

/** Ends 1-0 to `count`-0 in a store, each of the user with its number. `from`: the replicas that have called `end()`, in turn. */
function make({ count = 9, from = ['b'], isComplete = true } = {}) {
  const stored = Array.from({ length: count }, (_, index): StoredEnd => {
    const call = {
      where: { user: String(index + 1) },
      code: 1008,
      reason: '',
      from: from[index % from.length],
    };
    return { id: `${index + 1}-0`, at: 100 + index, text: JSON.stringify(call) };
  });
  const applied: string[] = [];
  const lost = vi.fn();
  const endsAfter = vi.fn((id: string) =>
    Promise.resolve({ ends: stored.filter((end) => isAfter(end.id, id)), isComplete }),
  );
  const apply = vi.fn<(call: EndCall, at: number) => number>(({ where }) => applied.push(where.user ?? ''));
  const unreadable = vi.fn();
  const ends = new StoredEnds({ name: 'a', endsAfter, apply, lost, unreadable });
  const receive = (number: number, previous = `${number - 1}-0`) =>
    ends.received(stored[number - 1]!, previous);
  return { ends, stored, applied, apply, endsAfter, lost, unreadable, receive };
}

describe('ends of other replicas', () => {
  test('are applied in order, with the time on the clock of the store', async () => {
    const { ends, applied, apply, endsAfter, receive } = make();
    ends.begin('0-0');
    expect(await receive(1)).toBe(1);
    await receive(2);
    expect(applied).toEqual(['1', '2']);
    expect(apply.mock.calls.map(([, at]) => at)).toEqual([100, 101]);
    expect(endsAfter).not.toHaveBeenCalled();
  });

  test('before the first join are not applied', async () => {
    const { ends, applied, receive } = make();
    expect(await receive(3)).toBeUndefined();
    ends.begin('4-0');
    expect(await receive(4)).toBeUndefined();
    await ends.caughtUp('4-0');
    expect(applied).toEqual([]);
  });

  test('after the id of the first join are applied although a later join names a later id', async () => {
    const { ends, applied } = make();
    ends.begin('2-0');
    ends.begin('9-0');
    await ends.caughtUp('4-0');
    expect(applied).toEqual(['3', '4', '5', '6', '7', '8', '9']);
  });

  test('whose message was lost are read from the store before the next one is applied', async () => {
    const { ends, applied, receive } = make({ count: 4 });
    ends.begin('0-0');
    await receive(1);
    await receive(4);
    expect(applied).toEqual(['1', '2', '3', '4']);
  });

  test('that arrive twice are applied once', async () => {
    const { ends, applied, receive } = make({ count: 2 });
    ends.begin('0-0');
    await receive(1);
    expect(await receive(1)).toBeUndefined();
    await Promise.all([receive(2), receive(2), ends.caughtUp('2-0')]);
    expect(applied).toEqual(['1', '2']);
  });

  test('are read once for several requests at the same time', async () => {
    const { ends, applied, endsAfter } = make({ count: 3 });
    ends.begin('0-0');
    await Promise.all([ends.caughtUp('3-0'), ends.caughtUp('2-0'), ends.caughtUp('3-0')]);
    expect(applied).toEqual(['1', '2', '3']);
    expect(endsAfter).toHaveBeenCalledTimes(1);
  });

  test('of this replica itself are skipped', async () => {
    const { ends, applied } = make({ count: 4, from: ['a', 'b'] });
    ends.begin('0-0');
    await ends.caughtUp('4-0');
    expect(applied).toEqual(['2', '4']);
  });

  test('that the store has forgotten are reported, and looked for once', async () => {
    const { ends, applied, endsAfter, lost } = make({ count: 0, isComplete: false });
    ends.begin('1-0');
    await ends.caughtUp('5-0');
    await ends.caughtUp('5-0');
    expect(applied).toEqual([]);
    expect([lost.mock.calls.length, endsAfter.mock.calls.length]).toEqual([1, 1]);
  });

  test('that could not be read are read by the next request', async () => {
    const { ends, applied, endsAfter } = make({ count: 2 });
    ends.begin('0-0');
    endsAfter.mockRejectedValueOnce(new Error('down'));
    await expect(ends.caughtUp('2-0')).rejects.toThrow('down');
    expect(applied).toEqual([]);
    await ends.caughtUp('2-0');
    expect(applied).toEqual(['1', '2']);
  });

  test('a text that is not a call is reported, and the ends after it are applied', async () => {
    const { ends, stored, applied, unreadable } = make({ count: 3 });
    stored[1] = { ...stored[1]!, text: 'of a later version' };
    ends.begin('0-0');
    await ends.caughtUp('3-0');
    expect(applied).toEqual(['1', '3']);
    expect(unreadable).toHaveBeenCalledTimes(1);
  });

  test('that were kept while the store was down apply from the time of the call', async () => {
    const { ends, stored, apply } = make({ count: 1 });
    const call = { where: {}, code: 1008, reason: '', from: 'b', age: 30 };
    stored[0] = { ...stored[0]!, text: JSON.stringify(call) };
    ends.begin('0-0');
    await ends.caughtUp('1-0');
    expect(apply.mock.calls).toEqual([[call, 70]]);
  });

  test('whose messages never arrive: the results of the newest 1,000 are kept', async () => {
    const { ends, receive } = make({ count: 1002 });
    ends.begin('0-0');
    await ends.caughtUp('1002-0');
    expect([await receive(1), await receive(2)]).toEqual([undefined, undefined]);
    expect([await receive(3), await receive(1002)]).toEqual([3, 1002]);
  });

  test('that were read before their message arrived: their result answers the message, once', async () => {
    const { ends, receive } = make({ count: 1 });
    ends.begin('0-0');
    await ends.caughtUp('1-0');
    expect([await receive(1), await receive(1)]).toEqual([1, undefined]);
  });

  test('of a store that went back in time are applied after the next join', async () => {
    const { ends, applied } = make({ count: 3 });
    ends.begin('9-0');
    ends.rejoined('1-0');
    ends.rejoined('2-0');
    await ends.caughtUp('3-0');
    expect(applied).toEqual(['2', '3']);
  });

  test('a message during a read of the store is applied after the ends that were read', async () => {
    const { ends, stored, applied, endsAfter, receive } = make({ count: 4 });
    ends.begin('0-0');
    const reading = deferred<{ ends: StoredEnd[]; isComplete: boolean }>();
    endsAfter.mockReturnValueOnce(reading.promise);
    const caughtUp = ends.caughtUp('2-0');
    const last = receive(4);
    reading.resolve({ ends: stored.slice(0, 2), isComplete: true });
    await Promise.all([caughtUp, last]);
    expect(applied).toEqual(['1', '2', '3', '4']);
  });

  test('of an emptied store are applied although the id before them is unknown', async () => {
    const { ends, applied, endsAfter, receive } = make();
    ends.begin('5-0');
    await ends.caughtUp('0-0');
    await receive(9, '0-0');
    expect(applied).toEqual(['9']);
    expect(endsAfter).not.toHaveBeenCalled();
  });
});

test('ids are compared by both of their numbers', () => {
  const ids = ['0-0', '1', '1-1', '1-2', '1-10', '2', '10-0', '1700000000000-0', '1700000000000-1'];
  for (const [index, id] of ids.entries())
    for (const [other, one] of ids.entries()) expect(isAfter(id, one), `${id} ${one}`).toBe(index > other);
  expect(isAfter('1', '1-0')).toBe(false);
  expect(isAfter('1-0', '1')).toBe(false);
});
