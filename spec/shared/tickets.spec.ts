import { expect, test } from 'vitest';
import { TunnelError, type TicketOptions, type TunnelOptions } from '../../src/index.js';
import type { RedisOptions } from '../../src/redis/index.js';
import { describeWith } from '../support/programs.js';
import { echoes, openRaw, statusOf } from '../support/raw-client.js';
import { askRedis, startRedis, type ClientKind } from '../support/redis.js';
import { closedPort, startEcho } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';
import { redisReplicas, type ReplicaSite } from './replica-sites.js';

const KEY = 'wstunnel:{1}:';
const BOTH = ['node-redis', 'ioredis'] as const satisfies readonly ClientKind[];

async function start(options: Partial<TunnelOptions> = {}, settings: RedisOptions = {}) {
  const { port, program } = await startRedis();
  const backend = await startEcho();
  const server = { port: await closedPort() };
  const sites = await redisReplicas(port, BOTH, { server, ...options }, { timeout: 0.5, ...settings });
  const [one, other] = sites as [ReplicaSite, ReplicaSite];
  return { program, sites, one, other, redis: askRedis(port), target: { port: backend.port } };
}

const pathOf = (ticket: string) => `/tunnel?ticket=${ticket}`;
const statusAt = ({ port }: ReplicaSite, ticket: string) => statusOf(port, pathOf(ticket));
const make = async ({ tunnel }: ReplicaSite, options: TicketOptions) => tunnel.ticket(options);

/** The code of the error that making a ticket throws, or rejects with. */
async function codeOf(site: ReplicaSite, options: TicketOptions): Promise<string> {
  try {
    await make(site, options);
  } catch (error) {
    if (error instanceof TunnelError) return `${error.code} ${error.message}`;
  }
  return 'none';
}

describeWith('redis-server')('tickets over Redis', () => {
  test('made by either client are good at the other process, once', async () => {
    const { one, other, target } = await start();
    for (const [maker, user] of [
      [one, other],
      [other, one],
    ] as const) {
      const ticket = await make(maker, { user: 'ann', target });
      expect(ticket).toMatch(/^wst_[\w-]{43}$/);
      await echoes(await openRaw(user.port, pathOf(ticket)));
      expect(user.tunnel.tunnels({ user: 'ann' })).toHaveLength(1);
      expect(await statusAt(maker, ticket)).toBe(403);
      expect(await statusAt(user, ticket)).toBe(403);
    }
  });

  test('used at the same moment by several processes open one tunnel each', async () => {
    const { one, other, target } = await start();
    for (let round = 0; round < 20; round++) {
      const ticket = await make(round % 2 === 0 ? one : other, { target });
      const statuses = await Promise.all([one, other, one, other].map((site) => statusAt(site, ticket)));
      expect(statuses.sort()).toEqual([101, 403, 403, 403]);
    }
  });

  test('are bound to the session that the maker names', async () => {
    const session = () => 'one';
    const { one, other, target } = await start({ session });
    await openRaw(other.port, pathOf(await make(one, { target, session: 'one' })));
    expect(await statusAt(other, await make(one, { target, session: 'two' }))).toBe(403);
  });

  test('leave no ticket, user, session or password in Redis', async () => {
    const { one, other, redis } = await start();
    const target = { port: await closedPort(), tls: { passphrase: 'geheim' } };
    const ticket = await make(one, { user: 'ann-the-user', session: 'the-session', target });
    const keys = (await redis.keys(`${KEY}ticket:*`)).sort();
    expect(keys).toHaveLength(1);
    const value = String(await redis.get(keys[0]!));
    const stored = [...keys, value, Buffer.from(value, 'base64url').toString('latin1')].join();
    for (const secret of [ticket, ticket.slice(4), 'ann-the-user', 'the-session', 'geheim'])
      expect(stored).not.toContain(secret);
    expect(await redis.pttl(keys[0]!)).toBeLessThanOrEqual(90_000);
    await statusAt(other, ticket);
    expect(await redis.get(keys[0]!)).toBe('-used-');
    expect(await redis.zcard(`${KEY}tickets`)).toBe(0);
  });

  test('that have expired are refused, and the event says so', async () => {
    const { one, other, target } = await start();
    const reasons: string[] = [];
    other.tunnel.on('refuse', ({ reason }) => reasons.push(reason.split(': ').at(-1)!));
    const ticket = await make(one, { target, seconds: 1 });
    await sleep(1100);
    for (let round = 0; round < 2; round++) expect(await statusAt(other, ticket)).toBe(403);
    expect(await statusAt(other, `wst_${'A'.repeat(43)}`)).toBe(403);
    expect(reasons).toEqual([
      'the ticket has expired',
      'the ticket was used before',
      'the ticket is unknown, or has expired long ago',
    ]);
  });

  test('are at most 100,000', async () => {
    const { one, redis, target } = await start();
    await redis.eval(
      `for at = 1, 100000 do redis.call('ZADD', KEYS[1], ARGV[1], 'id' .. at) end`,
      ...[1, `${KEY}tickets`, Date.now() + 60_000],
    );
    expect(await codeOf(one, { target })).toBe('WSTUNNEL_FULL too many unused tickets');
    await redis.zadd(`${KEY}tickets`, Date.now() - 1, 'id1');
    expect(await codeOf(one, { target })).toBe('none');
    expect(await codeOf(one, { target })).toContain('WSTUNNEL_FULL');
  });

  test('of one user are at most 1,000, in all processes, without the used and the expired ones', async () => {
    const { one, other, redis, target } = await start();
    const options = { user: 'ann', target };
    const full = 'WSTUNNEL_TOO_MANY this user has too many unused tickets';
    const first = await make(one, options);
    const [own = ''] = await redis.keys(`${KEY}tickets:*`);
    expect(own).not.toContain('ann');
    await redis.eval(
      `for at = 1, 999 do for _, key in ipairs(KEYS) do redis.call('ZADD', key, ARGV[1], 'id' .. at) end end`,
      ...[2, own, `${KEY}tickets`, Date.now() + 60_000],
    );
    expect(await codeOf(other, options)).toBe(full);
    expect(await codeOf(other, { user: 'bob', target })).toBe('none');
    expect(await codeOf(other, { target })).toBe('none');
    expect(await statusAt(one, first)).toBe(101);
    expect(await codeOf(other, options)).toBe('none');
    expect(await codeOf(one, options)).toBe(full);
    await redis.zadd(own, Date.now() - 1, 'id1');
    expect(await codeOf(one, options)).toBe('none');
    expect(await redis.pttl(own)).toBeGreaterThan(60_000);
  });

  test('do not change the keys that the version before this one reads', async () => {
    const { one, other, redis, target } = await start({ limits: { total: 5 } });
    const ticket = await make(one, { target });
    await openRaw(other.port, pathOf(ticket));
    const isOfTickets = (key: string) => /:tickets?(:|$)/.test(key.replace(KEY, ':'));
    const keys = (await redis.keys('*')).filter((key) => !isOfTickets(key)).sort();
    expect(keys).toEqual([`${KEY}epoch`, `${KEY}replicas`, `${KEY}slots:total`]);
    expect(await redis.hlen(`${KEY}slots:total`)).toBe(1);
  });

  test('values of other programs under the keys of tickets refuse nothing but these tickets', async () => {
    const { one, other, redis, target } = await start();
    await redis.set(`${KEY}tickets`, 'a text');
    const ticket = await make(one, { target });
    const [key = ''] = await redis.keys(`${KEY}ticket:*`);
    await redis.del(key);
    await redis.lpush(key, 'a list');
    expect(await statusAt(other, ticket)).toBe(403);
    await echoes(await openRaw(other.port, pathOf(await make(one, { target }))));
  });

  test.each<[string, unknown, string]>([
    ['a function', { connect: () => undefined }, 'ticket().target.connect must be data, since the process'],
    ['a lookup', { port: 1, lookup: () => undefined }, 'ticket().target.lookup must be data'],
    [
      'bytes',
      [{ port: 1 }, { port: 1, tls: { ca: Buffer.from('') } }],
      "ticket().target[1].tls.ca can't be used|ticket().target[1].tls.ca must be text in place of bytes",
    ],
    ['a class', { port: 1, tls: { servername: 'a', session: new Date() } }, 'tls.session must be data'],
    ['too much', { port: 1, tls: { servername: 'a'.repeat(70_000) } }, 'at most 65536 characters'],
  ])('cannot lead to %s', async (_name, target, message) => {
    const { one } = await start();
    const answer = await codeOf(one, { target: target as never });
    expect(
      message.split('|').some((text) => answer.includes(text)),
      answer,
    ).toBe(true);
  });

  test('are refused while Redis does not answer, and a ticket that Redis took meanwhile is used up', async () => {
    const { one, other, sites, redis, target } = await start({ limits: { total: 5 } });
    const ticket = await make(one, { target });
    await redis.client('PAUSE', 1200, 'ALL');
    expect(await codeOf(one, { target })).toBe('WSTUNNEL_STATE_DOWN tickets cannot be made at the moment');
    expect(await statusAt(other, ticket)).toBe(503);
    await until(() => sites.every(({ shared }) => shared.up));
    // Redis has used the ticket up, and the answer was lost.
    await sleep(1200);
    expect(await statusAt(other, ticket)).toBe(403);
    const next = await make(one, { target });
    await echoes(await openRaw(other.port, pathOf(next)));
  });

  test('made while Redis is down are good in their own process, under whenDown: local', async () => {
    const { one, other, program, sites, target } = await start({}, { whenDown: 'local' });
    await program.stop();
    await until(() => sites.every(({ shared }) => !shared.up));
    const ticket = await make(one, { target });
    expect(await statusAt(other, ticket)).toBe(503);
    await echoes(await openRaw(one.port, pathOf(ticket)));
    expect(await statusAt(one, ticket)).toBe(403);
  });
});
