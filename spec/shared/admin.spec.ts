import { describe, expect, test } from 'vitest';
import { MemoryStore } from '../../src/replicas/memory-backplane.js';
import { distributedState } from '../../src/shared/distributed-state.js';
import { endAt, openEvents, stateAt } from '../support/admin.js';
import { FakeBackplane } from '../support/fake-backplane.js';
import { startApp } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';
import { startReplica } from './replica-sites.js';

/** Replicas over a store in memory, with their pages. */
async function start(...names: string[]) {
  const store = new MemoryStore(9);
  const sites = [];
  for (const name of names) {
    const backplane = new FakeBackplane(store);
    const state = distributedState(backplane, { name, ttl: 3, timeout: 1, whenDown: 'local' });
    const site = await startReplica(state, {});
    const { port: admin } = await startApp((app) => app.use('/admin', site.tunnel.admin()));
    const asked = () =>
      backplane.calls.filter(([name, text]) => name === 'publish' && String(text).includes('"about":"admin"'))
        .length;
    sites.push({ ...site, admin, backplane, state, asked });
  }
  await until(async () => (await stateAt(sites[0]!.admin)).replicas!.length === names.length);
  return sites;
}

describe('admin() with a shared state', () => {
  test('shows and ends the tunnels of another replica', async () => {
    const [a, b] = await start('a', 'b');
    const client = await b!.open('ann');
    await until(async () => (await stateAt(a!.admin)).matching === 1);
    const { replica, replicas, tunnels, totals, backends } = await stateAt(a!.admin);
    expect(replica).toMatch(/^a#/);
    expect(replicas).toEqual([
      { name: 'a', silent: false, tunnels: 0 },
      { name: 'b', silent: false, tunnels: 1 },
    ]);
    expect(tunnels).toMatchObject([{ user: 'ann', replica: 'b' }]);
    expect(totals.open).toBe(1);
    expect(backends.length).toBe(1);
    expect((await endAt(a!.admin, { id: tunnels[0]!.id })).answer).toEqual({ ended: 1, silent: [] });
    expect((await client.frame())!.opcode).toBe(8);
  });

  test('shows a replica of an older version as silent', async () => {
    const [a, b] = await start('a', 'b');
    await b!.open('ann');
    // Older versions answer unknown questions with nothing.
    b!.state.view.answer = () => undefined;
    await until(async () => (await stateAt(a!.admin)).replicas!.some(({ silent }) => silent));
    const { replicas, matching } = await stateAt(a!.admin);
    expect([matching, replicas![1]]).toEqual([0, { name: 'b', silent: true, tunnels: 0 }]);
  });

  test('asks the other replicas at most every two seconds while pages are open, and never otherwise', async () => {
    const [a] = await start('a', 'b');
    const before = a!.asked();
    const streams = [await openEvents(a!.admin), await openEvents(a!.admin, '/admin/events?q=ann')];
    await until(() => streams.every(({ events }) => events.length > 0));
    await sleep(4500);
    const asked = a!.asked() - before;
    expect(asked).toBeGreaterThanOrEqual(2);
    expect(asked).toBeLessThanOrEqual(4);
    for (const { res } of streams) res.destroy();
    await sleep(1500);
    const after = a!.asked();
    await sleep(3000);
    expect(a!.asked()).toBe(after);
  });

  test('shows the own tunnels while the store is down', async () => {
    const [a, b] = await start('a', 'b');
    await a!.open('ann');
    await b!.open('bob');
    a!.backplane.set('hangs');
    await until(async () => (await stateAt(a!.admin)).replicas!.some(({ silent }) => silent));
    expect((await stateAt(a!.admin)).tunnels).toMatchObject([{ user: 'ann' }]);
    const { status, answer } = await endAt(a!.admin, { user: 'ann' });
    expect([status, answer]).toEqual([200, { ended: 1, silent: ['b'] }]);
    a!.backplane.set('fine');
  });
});
