import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Candidates } from '../../../src/backends/candidates.js';
import { HostStates } from '../../../src/backends/host-states.js';
import { BackendPool } from '../../../src/backends/pool.js';
import type { Host } from '../../../src/index.js';
import { readHosts } from '../../../src/options/read-hosts.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const ignore = () => undefined;

/** Three hosts, of which other processes have failed to reach some. */
function make(suspects: readonly string[], ...more: Host[]) {
  const down = new Set(suspects);
  const others = { loadOf: () => 0, isDown: (id: string) => down.has(id) };
  const pool = new BackendPool(ignore, ignore, new HostStates(others));
  const hosts = pool.statesOf(
    readHosts([{ host: 'a', port: 1 }, { host: 'b', port: 1 }, { host: 'c', port: 1 }, ...more], 'server'),
  );
  const candidates = new Candidates(hosts);
  return { pool, hosts, candidates, down, ids: () => candidates.next().map(({ id }) => id) };
}

test('a host that another process failed to reach is left out', () => {
  expect(make(['b:1']).ids()).toEqual(['a:1', 'c:1']);
  expect(make([]).ids()).toEqual(['a:1', 'b:1', 'c:1']);
});

test('all hosts are tried if other processes failed to reach each of them', () => {
  expect(make(['a:1', 'b:1', 'c:1']).ids()).toEqual(['a:1', 'b:1', 'c:1']);
});

test('such a host is tried after all others have failed, before there is no backend', () => {
  const { candidates, hosts, pool, ids } = make(['a:1']);
  for (const host of hosts.slice(1)) {
    pool.failed(host, 'refused', 'down', 0);
    candidates.failed(host, false);
  }
  expect(ids()).toEqual(['a:1']);
});

test('such a host is used again when the other process has reached it', () => {
  const { down, ids } = make(['b:1']);
  down.clear();
  expect(ids()).toEqual(['a:1', 'b:1', 'c:1']);
});

test('a backup is used while other processes fail to reach all other hosts, and these are tried after the backup', () => {
  const { candidates, hosts, pool, ids } = make(['a:1', 'b:1', 'c:1'], {
    host: 'spare',
    port: 1,
    backup: true,
  });
  expect(ids()).toEqual(['spare:1']);
  pool.failed(hosts[3]!, 'refused', 'down', 0);
  candidates.failed(hosts[3]!, false);
  expect(ids()).toEqual(['a:1', 'b:1', 'c:1']);
});

test('the words of other processes change neither the state nor the events of a host', () => {
  const { hosts } = make(['a:1']);
  expect(hosts.map(({ up }) => up)).toEqual([true, true, true]);
});
