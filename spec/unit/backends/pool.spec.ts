import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BackendPool } from '../../../src/backends/pool.js';
import type { BackendInfo, Host, HostState } from '../../../src/index.js';
import { readHosts } from '../../../src/options/read-hosts.js';

let events: BackendInfo[];
let complaints: unknown[];
let pool: BackendPool;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  events = [];
  complaints = [];
  pool = new BackendPool(
    (info) => events.push(info),
    (error) => complaints.push(error),
  );
});
afterEach(() => vi.useRealTimers());

const states = (...hosts: Host[]) => pool.statesOf(readHosts(hosts, 'server'));

describe('states of hosts', () => {
  test('start with an id and no load', () => {
    const hosts = states(
      { port: 1 },
      { host: 'a', port: 2 },
      { host: '::1', port: 3 },
      { socket: '/run/vnc' },
    );
    expect(hosts.map(({ id, load, up }) => [id, load, up])).toEqual([
      ['127.0.0.1:1', 0, true],
      ['a:2', 0, true],
      ['[::1]:3', 0, true],
      ['unix:/run/vnc', 0, true],
    ]);
    expect(hosts[1]?.host).toMatchObject({ host: 'a', port: 2, connectTimeout: 8 });
  });

  test('are shared by address and not by object, and settings come from each request', () => {
    const [first] = states({ host: 'a', port: 1 });
    const [again] = states({ host: 'a', port: 1 });
    expect(again).toBe(first);
    const [other] = states({ host: 'a', port: 1, connectTimeout: 3 });
    expect([first?.host.connectTimeout, other?.host.connectTimeout]).toEqual([8, 3]);
    pool.lease(first!, {});
    expect(other?.load).toBe(1);
    expect(states({ port: 1 }, { host: '127.0.0.1', port: 1 })).toHaveLength(1);
    expect(states({ host: 'a', port: 2 })[0]).not.toBe(first);
    expect(pool.snapshot().map(({ id }) => id)).toEqual(['a:1', '127.0.0.1:1', 'a:2']);
  });

  test('are returned in the requested order', () => {
    states({ port: 1 }, { port: 2 });
    expect(states({ port: 2 }, { port: 1 }).map(({ id }) => id)).toEqual(['127.0.0.1:2', '127.0.0.1:1']);
  });

  test('of a list in the options are the same array each time', () => {
    const hosts = readHosts([{ port: 1 }, { port: 2 }], 'server');
    expect(pool.statesOf(hosts)).not.toBe(pool.statesOf(hosts));
    pool.add(hosts);
    expect(pool.statesOf(hosts)).toBe(pool.statesOf(hosts));
  });

  test('are full at maxTunnels', () => {
    const [host, other] = states({ port: 1, maxTunnels: 1 }, { port: 2 });
    const lease = pool.lease(host!, {});
    pool.lease(other!, {});
    expect([host!.full, other!.full]).toEqual([true, false]);
    lease.release();
    expect(host!.full).toBe(false);
  });

  describe('states that are no longer used are deleted', () => {
    const ids = () => pool.snapshot().map(({ id }) => id);
    const minutes = (n: number) => vi.advanceTimersByTime(n * 60_000);

    test('after ten minutes, if only functions returned them', () => {
      pool.add(readHosts({ port: 1 }, 'server'));
      const [, busy, down] = states({ port: 2 }, { port: 3 }, { port: 4, disableTime: 3600 });
      const lease = pool.lease(busy!, {});
      pool.failed(down!, 'x');
      minutes(9);
      states({ port: 5 });
      expect(ids()).toHaveLength(5);
      minutes(6);
      states({ port: 5 });
      expect(ids()).toEqual(['127.0.0.1:1', '127.0.0.1:3', '127.0.0.1:4', '127.0.0.1:5']);
      lease.release();
      minutes(60);
      states({ port: 5 });
      expect(ids()).toEqual(['127.0.0.1:1', '127.0.0.1:5']);
    });

    test('at once, if there are thousands', () => {
      for (let port = 1; port <= 10_000; port++) states({ port });
      const [busy] = states({ port: 1 });
      pool.lease(busy!, {});
      states({ port: 20_000 });
      expect(ids()).toEqual(['127.0.0.1:1', '127.0.0.1:20000']);
    });

    test('only when no tunnel uses them', () => {
      const [host] = states({ port: 1 });
      minutes(60);
      states({ port: 2 });
      pool.lease(host!, {});
      expect(states({ port: 1 })[0]?.load).toBe(1);
    });
  });

  test('a snapshot does not change later', () => {
    const [host] = states({ port: 1 });
    const before = pool.snapshot();
    pool.lease(host!, {});
    pool.failed(host!, 'x');
    expect(before[0]).toMatchObject({ load: 0, up: true });
    expect(pool.snapshot()[0]).toMatchObject({ load: 1, up: false });
  });
});

describe('leases of hosts', () => {
  test('count once each, however often they are released', () => {
    const [host] = states({ port: 1 });
    const first = pool.lease(host!, {});
    const second = pool.lease(host!, {});
    expect(host!.load).toBe(2);
    first.release();
    first.release();
    expect(host!.load).toBe(1);
    second.release();
    expect(host!.load).toBe(0);
  });

  test('are reported to the strategy once, after the load was counted', () => {
    const heard: [string, string, number][] = [];
    const strategy = {
      name: 'mine',
      opened(host: HostState) {
        heard.push([this.name, 'opened', host.load]);
      },
      closed(host: HostState) {
        heard.push([this.name, 'closed', host.load]);
      },
    };
    const [host] = states({ port: 1 });
    const lease = pool.lease(host!, strategy);
    expect(heard).toEqual([['mine', 'opened', 1]]);
    lease.release();
    lease.release();
    expect(heard).toEqual([
      ['mine', 'opened', 1],
      ['mine', 'closed', 0],
    ]);
  });

  test.each([
    [
      'throws',
      (why: string) => () => {
        throw new Error(why);
      },
    ],
    ['rejects', (why: string) => () => Promise.reject(new Error(why))],
  ])('are counted although a strategy %s, which is reported', async (_name, broken) => {
    const [host] = states({ port: 1 });
    const lease = pool.lease(host!, { opened: broken('opened'), closed: broken('closed') });
    expect(host!.load).toBe(1);
    lease.release();
    expect(host!.load).toBe(0);
    await vi.waitFor(() => expect(complaints).toMatchObject([{ message: 'opened' }, { message: 'closed' }]));
  });
});

describe('outages of hosts', () => {
  test('last for disableTime after a failure', () => {
    const [host, other] = states({ port: 1, disableTime: 2 }, { port: 2 });
    pool.failed(host!, 'refused');
    expect([host!.up, other!.up]).toEqual([false, true]);
    vi.advanceTimersByTime(1999);
    expect(host!.up).toBe(false);
    vi.advanceTimersByTime(1);
    expect(host!.up).toBe(true);
  });

  test('do not occur with disableTime 0', () => {
    const [host] = states({ port: 1, disableTime: 0 });
    pool.failed(host!, 'refused');
    expect(host!.up).toBe(true);
    expect(events).toHaveLength(1);
  });

  test('are reported once, and so is their end', () => {
    const [host] = states({ port: 1, disableTime: 1 });
    pool.connected(host!);
    expect(events).toEqual([]);
    pool.failed(host!, 'first');
    pool.failed(host!, 'second');
    vi.advanceTimersByTime(1000);
    pool.failed(host!, 'third');
    expect(host!.up).toBe(false);
    pool.connected(host!);
    pool.connected(host!);
    expect(host!.up).toBe(true);
    pool.failed(host!, 'fourth');
    const id = '127.0.0.1:1';
    expect(events).toEqual([
      { id, up: false, reason: 'first' },
      { id, up: true },
      { id, up: false, reason: 'fourth' },
    ]);
  });
});
