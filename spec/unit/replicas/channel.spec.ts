import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { ChannelBackplane, serveStore, type Channel } from '../../../src/replicas/channel.js';
import { MemoryStore } from '../../../src/replicas/memory-backplane.js';

/** Two ends of a channel. Messages are copied as JSON, as between processes. */
function makePair(): [Channel, Channel, EventEmitter[]] {
  const ends = [new EventEmitter(), new EventEmitter()];
  const end = (from: number): Channel => ({
    send: (message) => {
      const text = JSON.stringify(message);
      queueMicrotask(() => ends[1 - from]!.emit('message', JSON.parse(text)));
    },
    listen: (listener) => {
      ends[from]!.on('message', listener);
      return () => ends[from]!.off('message', listener);
    },
  });
  return [end(0), end(1), ends];
}

function make(name = 'store') {
  const store = new MemoryStore(10);
  const [here, there, emitters] = makePair();
  const stop = serveStore(store, name, there);
  return { store, backplane: new ChannelBackplane(here, name), stop, here, there, emitters };
}

const slot = (most = 1) => [{ name: 'x', most }];

test('a store in another process answers as one in this process', async () => {
  const { store, backplane } = make();
  expect(await backplane.join('a#1', undefined, [{ name: 'x', count: 1 }])).toMatchObject({
    isKnown: true,
    wasEmpty: false,
    replicas: ['a#1'],
  });
  expect(await backplane.take('a#1', slot())).toEqual({ kind: 'full', index: 0, lastEnd: '0-0' });
  await backplane.adjust('a#1', [{ name: 'x', count: -1 }]);
  expect(await backplane.take('a#1', slot())).toEqual({ kind: 'taken', lastEnd: '0-0' });
  await backplane.refresh();
  expect(await backplane.storeEnd('text')).toMatchObject({ previous: '0-0', text: 'text' });
  expect(await backplane.endsAfter('0-0')).toMatchObject({ isComplete: true, ends: [{ text: 'text' }] });
  await backplane.join('a#2', 'a#1', []);
  expect((await backplane.beat('a#1')).isKnown).toBe(false);
  await backplane.leave('a#2');
  expect(store.beat('a#2').isKnown).toBe(false);
});

test('a store in another process counts the tickets of each user', async () => {
  const { backplane } = make();
  const put = (id: string, owner?: string) => backplane.putTicket(id, 'content', 60_000, owner);
  for (let at = 0; at < 1000; at++) expect(await put(String(at), 'ann')).toBe('stored');
  expect(await put('more', 'ann')).toBe('user-full');
  expect(await put('more', 'bob')).toBe('stored');
  expect(await put('other')).toBe('stored');
});

test('the end of the other process frees its slots under all of its ids, and stops its messages', async () => {
  const { store, backplane, stop, emitters } = make();
  await backplane.join('a#1', undefined, [{ name: 'x', count: 1 }]);
  const texts: string[] = [];
  await backplane.listen('a', {
    message: (text) => texts.push(text),
    interrupted: () => undefined,
    failed: () => undefined,
  });
  await backplane.join('a#2', undefined, [{ name: 'x', count: 1 }]);
  await backplane.publish('one');
  store.join('b#1', undefined, []);
  stop();
  store.publish('two');
  await Promise.resolve();
  expect(store.take('b#1', slot()).kind).toBe('taken');
  expect(store.beat('b#1').replicas).toEqual(['b#1']);
  expect(texts).toEqual(['one']);
  expect(emitters[1]!.listenerCount('message')).toBe(0);
});

test('two stores over one channel do not see the calls of each other', async () => {
  const { here, there, backplane } = make('first');
  const second = new MemoryStore(10);
  serveStore(second, 'second', there);
  const other = new ChannelBackplane(here, 'second');
  await backplane.join('a#1', undefined, [{ name: 'x', count: 1 }]);
  await other.join('a#1', undefined, []);
  expect((await other.take('a#1', slot())).kind).toBe('taken');
  expect((await backplane.take('a#1', slot())).kind).toBe('full');
});

test('messages of the app on the channel, and calls of unknown methods, are left alone', async () => {
  const { backplane, here } = make();
  for (const message of [null, 'text', 7, [], { cmd: 'x' }, { wstunnelStore: 'store' }]) here.send(message);
  const of = (fields: object) => ({ wstunnelStore: 'store', ...fields });
  here.send(of({ call: 99, method: 'constructor', args: [] }));
  here.send(of({ call: 99, method: 'take' }));
  here.send(of({ call: '99', method: 'beat', args: ['a'] }));
  await backplane.join('a#1', undefined, []);
  expect((await backplane.take('a#1', slot())).kind).toBe('taken');
});

test('an answer without a call changes nothing', async () => {
  const { backplane, there } = make();
  there.send({ wstunnelStore: 'store', reply: 1, value: 'early' });
  await Promise.resolve();
  expect(await backplane.beat('a#1')).toMatchObject({ isKnown: false });
});

test('a failure of the store rejects the call', async () => {
  const { backplane, store } = make();
  store.beat = () => {
    throw new Error('out of order');
  };
  await expect(backplane.beat('a#1')).rejects.toThrow('out of order');
});

test('close() stops the messages, and rejects calls without an answer', async () => {
  const { backplane, store, emitters } = make();
  const texts: string[] = [];
  await backplane.listen('a', {
    message: (text) => texts.push(text),
    interrupted: () => undefined,
    failed: () => undefined,
  });
  await backplane.close();
  store.publish('late');
  await Promise.resolve();
  expect(texts).toEqual([]);
  expect(emitters[0]!.listenerCount('message')).toBe(0);

  const [silent] = makePair();
  const alone = new ChannelBackplane(silent, 'store');
  const call = expect(alone.beat('a#1')).rejects.toThrow('the shared state is closed');
  await alone.close();
  await call;
});

test('ten thousand calls without an answer are the limit', async () => {
  const [silent] = makePair();
  const backplane = new ChannelBackplane(silent, 'store');
  const calls = Array.from({ length: 10_000 }, () => backplane.beat('a#1').catch(() => 'closed'));
  await expect(backplane.beat('a#1')).rejects.toThrow('too many calls have no answer');
  await backplane.close();
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['closed']));
});
