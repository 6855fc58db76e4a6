import express from 'express';
import express4 from 'express4';
import session, { MemoryStore } from 'express-session';
import { describe, expect, test } from 'vitest';
import { startHttp } from '../../support/servers.js';
import { sleep, until } from '../../support/wait.js';
import { startSite } from './session-site.js';
import { closed, closeOf, cookiesOf, echoTunnel, EVERY, expectOpen, open, type Marked } from './site.js';

describe('a site with express-session', () => {
  test.each([
    ['Express 5', express],
    ['Express 4', express4],
  ])('ends the tunnel after a logout: %s', async (_name, make) => {
    const { port, tunnel, cookie, client } = await startSite(new MemoryStore(), make);
    await sleep(3 * EVERY * 1000);
    await expectOpen(client);
    const ended = closed(tunnel);
    await cookiesOf(port, '/logout', cookie);
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(await ended).toMatchObject({ cause: 'login-ended', code: 1008, user: 'ann' });
  });

  test('ends the tunnel when the session becomes that of another user', async () => {
    const { port, tunnel, cookie, client } = await startSite();
    const ended = closed(tunnel);
    await cookiesOf(port, '/login/bob', cookie);
    expect(await closeOf(client)).toBe('1008 another user has logged in');
    expect(await ended).toMatchObject({ cause: 'user-changed', user: 'ann' });
  });

  test('keeps the tunnel while the store is down, and ends it after a logout later', async () => {
    let isDown = false;
    let failed = 0;
    class Store extends MemoryStore {
      override get(...[id, done]: Parameters<MemoryStore['get']>): void {
        if (!isDown) super.get(id, done);
        else setImmediate(() => done(new Error(`the store is down (${++failed})`)));
      }
    }
    const { port, tunnel, cookie, client } = await startSite(new Store());
    isDown = true;
    await until(() => failed >= 3);
    await expectOpen(client);
    isDown = false;
    const ended = closed(tunnel);
    await cookiesOf(port, '/logout', cookie);
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(await ended).toMatchObject({ cause: 'login-ended' });
  });

  test.each([
    ['never', false, 0],
    ['active', false, 0],
    ['active', true, 1],
    ['always', false, 2],
  ] as const)('touches the session as touch says: %s, client active: %s', async (touch, isActive, least) => {
    let gets = 0;
    let touches = 0;
    class Store extends MemoryStore {
      override get(...args: Parameters<MemoryStore['get']>): void {
        gets++;
        super.get(...args);
      }
      override touch(...args: Parameters<MemoryStore['touch']>): void {
        touches++;
        super.touch(...args);
      }
    }
    const { client } = await startSite(new Store(), express, { revalidate: { every: EVERY, touch } });
    const [getsBefore, touchesBefore] = [gets, touches];
    if (isActive) await expectOpen(client);
    await until(() => gets >= getsBefore + 4);
    if (least === 0) expect(touches).toBe(touchesBefore);
    else await until(() => touches >= touchesBefore + least);
    if (touch === 'active') expect(touches).toBeLessThanOrEqual(touchesBefore + 1);
  });
});

test('a session that begins with the tunnel is the session of the checks', async () => {
  const tunnel = await echoTunnel();
  let checks = 0;
  let isIn = true;
  const app = express().use(session({ secret: 'spec', resave: false, saveUninitialized: false }));
  app.use('/tunnel', (req, res, next) => {
    const isCheck = (req as Marked).wstunnelCheck;
    if (isCheck) checks++;
    else req.session.name = 'guest';
    if (req.session.name === 'guest' && isIn) next();
    else res.sendStatus(401);
  });
  app.use('/tunnel', tunnel);
  const { port } = await startHttp(app as never);
  const client = await open(port, { Cookie: 'a=1; connect.sid=old' });
  await until(() => checks >= 3);
  await expectOpen(client);
  isIn = false;
  expect(await closeOf(client)).toBe('1008 the login has ended');
});
