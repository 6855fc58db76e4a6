import express from 'express';
import { MemoryStore } from 'express-session';
import { describe, expect, test } from 'vitest';
import { frame } from '../../support/raw-client.js';
import { sleep, until } from '../../support/wait.js';
import { startSite } from './session-site.js';
import { closed, closeOf, cookiesOf, EVERY, expectOpen } from './site.js';

type Get = Parameters<MemoryStore['get']>;

/** A session store whose reads a test delays, fails or counts. */
class Store extends MemoryStore {
  gets = 0;
  touches = 0;
  saves = 0;
  /** Called in place of a read. */
  instead: ((read: () => void, done: Get[1]) => void) | undefined;

  override get(...[id, done]: Get): void {
    this.gets++;
    const read = () => super.get(id, done);
    if (this.instead) this.instead(read, done);
    else read();
  }

  override touch(...args: Parameters<MemoryStore['touch']>): void {
    this.touches++;
    super.touch(...args);
  }

  override set(...args: Parameters<MemoryStore['set']>): void {
    this.saves++;
    super.set(...args);
  }
}

describe('a session store', () => {
  const failures: [string, Store['instead']][] = [
    ['reports errors', (_read, done) => setImmediate(() => done(new Error('the store is down')))],
    [
      'throws',
      () => {
        throw new Error('the store is down, on purpose');
      },
    ],
    ['never answers', () => undefined],
  ];

  test.each(failures)('that %s keeps the tunnel, which ends after a later logout', async (_name, instead) => {
    const store = new Store();
    // `failAfter` bounds the wait for a check that hangs.
    const revalidate = { every: EVERY, failAfter: 3 };
    const { port, tunnel, cookie, client } = await startSite(store, express, { revalidate });
    store.instead = instead;
    const before = store.gets;
    await until(() => store.gets > before);
    await expectOpen(client);
    store.instead = undefined;
    const again = store.gets;
    await until(() => store.gets > again + 2);
    await expectOpen(client);
    const ended = closed(tunnel);
    await cookiesOf(port, '/logout', cookie);
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(await ended).toMatchObject({ cause: 'login-ended' });
  });

  test('that answers after seconds has its verdict late, and no second check meanwhile', async () => {
    const store = new Store();
    const { port, cookie, client } = await startSite(store);
    let reading = 0;
    let most = 0;
    store.instead = (read) => {
      most = Math.max(most, ++reading);
      setTimeout(() => {
        reading--;
        read();
      }, 1200);
    };
    const before = store.gets;
    await until(() => store.gets >= before + 2);
    expect(most).toBe(1);
    await expectOpen(client);
    store.instead = undefined;
    await cookiesOf(port, '/logout', cookie);
    expect(await closeOf(client)).toBe('1008 the login has ended');
  });

  test('gets no session back by a check under way at the logout', async () => {
    const store = new Store();
    const revalidate = { every: EVERY, touch: 'always' };
    const { port, cookie, client } = await startSite(store, express, { revalidate });
    const reads: (() => void)[] = [];
    store.instead = (read) => {
      // The session of before the logout, answered after it.
      if (reads.length === 0) reads.push(read);
      else read();
    };
    await until(() => reads.length === 1);
    const id = Object.keys((store as unknown as { sessions: object }).sessions)[0]!;
    store.instead = undefined;
    const original = await new Promise<unknown>((resolve) => store.get(id, (_error, data) => resolve(data)));
    expect(original).toMatchObject({ name: 'ann' });
    await cookiesOf(port, '/logout', cookie);
    reads[0]!();
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(Object.keys((store as unknown as { sessions: object }).sessions)).toEqual([]);
  });

  test('sees no save and no new cookie by a check', async () => {
    const store = new Store();
    const revalidate = { every: EVERY, touch: 'always' };
    const { client } = await startSite(store, express, { revalidate }, { rolling: true });
    const { saves, touches } = store;
    await until(() => store.touches >= touches + 3);
    expect(store.saves).toBe(saves);
    await expectOpen(client);
  });
});

describe('a session that expires after a second', () => {
  const start = async (touch: string, rolling = false) => {
    const store = new Store();
    const options = { revalidate: { every: EVERY, touch } };
    const sessions = { rolling, cookie: { maxAge: 1000 } };
    const site = await startSite(store, express, options, sessions);
    const ended = closed(site.tunnel);
    // Nobody awaits it in the tests whose tunnels go on.
    ended.catch(() => undefined);
    return { ...site, store, ended };
  };

  /** Sends a byte every 50 ms until the returned function is called. */
  const keepActive = (client: { send(bytes: Buffer): unknown }) => {
    const timer = setInterval(() => client.send(frame(2, 'x')), 50);
    return () => clearInterval(timer);
  };

  test.each([false, true])(
    'ends the tunnel of an active client with touch: never, rolling: %s',
    async (rolling) => {
      const { client, ended } = await start('never', rolling);
      const stop = keepActive(client);
      const { duration, cause } = await ended.finally(stop);
      expect(cause).toBe('login-ended');
      expect(duration).toBeGreaterThan(0.8);
    },
  );

  test('ends the tunnel of an idle client with touch: active', async () => {
    const { client } = await start('active');
    expect(await closeOf(client)).toBe('1008 the login has ended');
  });

  test('lives while the client is active, and ends afterwards, with touch: active', async () => {
    const { client, tunnel, ended } = await start('active');
    const stop = keepActive(client);
    await sleep(2500);
    expect(tunnel.stats().open).toBe(1);
    stop();
    expect(await ended).toMatchObject({ cause: 'login-ended' });
  });

  test('lives without activity with touch: always', async () => {
    const { client } = await start('always');
    await sleep(2500);
    await expectOpen(client);
  });
});
