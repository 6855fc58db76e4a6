import { beforeAll, describe, expect, test } from 'vitest';
import {
  redisTokens,
  type IoRedisTokenClient,
  type NodeRedisTokenClient,
} from '../../../src/tokens/redis-tokens.js';
import { describeWith } from '../../support/programs.js';
import { askRedis, redisClient, startRedis } from '../../support/redis.js';
import { ask, UNKNOWN } from './ask.js';

type TokenClient = NodeRedisTokenClient | IoRedisTokenClient;

/** A client whose every look-up has this outcome. */
const clientOf = (get: (key: string) => Promise<unknown>): TokenClient => ({ get, getDel: get });

describeWith('redis-server')("websockify's TokenRedis", () => {
  let port: number;

  test.each(['node-redis', 'ioredis'] as const)('is read with %s', async (kind) => {
    ({ port } = await startRedis());
    const store = askRedis(port);
    await store.set('hello', '{"host":"127.0.0.1:5000"}');
    await store.set('plain', 'desk.lan:5901');
    await store.set('vnc:a', '{"host":"desk","port":5902,"user":"ann","viewOnly":true}');
    await store.lpush('list', 'a:1');
    const client = (await redisClient(kind, port)) as unknown as TokenClient;
    const all = redisTokens(client, { prefix: '' });
    expect(await ask(all, 'hello')).toEqual({ target: { host: '127.0.0.1', port: 5000 } });
    expect(await ask(all, 'plain')).toEqual({ target: { host: 'desk.lan', port: 5901 } });
    expect(await ask(all, 'none')).toEqual(UNKNOWN);
    expect(await ask(all, 'list')).toEqual({
      ...{ code: 'WSTUNNEL_STATE_DOWN', status: 502 },
      detail: 'Redis fails: WRONGTYPE',
    });
    const source = redisTokens(client, { prefix: 'vnc:' });
    expect(await ask(source, 'a')).toEqual({
      ...{ target: { host: 'desk', port: 5902 }, user: 'ann', viewOnly: true },
    });
    expect(await ask(source, 'hello')).toEqual(UNKNOWN);
  });

  test.each(['node-redis', 'ioredis'] as const)(
    'once: of many looks at once, one gets the entry (%s)',
    async (kind) => {
      const { port } = await startRedis();
      const store = askRedis(port);
      await store.set('vnc:a', 'desk:5900');
      const client = (await redisClient(kind, port)) as unknown as TokenClient;
      const source = redisTokens(client, { prefix: 'vnc:', once: true });
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask(source, 'a')));
      expect(answers.filter((answer) => 'target' in answer)).toHaveLength(1);
      expect(await store.exists('vnc:a')).toBe(0);
    },
  );

  test('a Redis that is down refuses with 503, without the token', async () => {
    const { port, program } = await startRedis();
    const client = (await redisClient('ioredis', port)) as unknown as TokenClient;
    await program.stop();
    const source = redisTokens(client, { prefix: 'vnc:', timeout: 0.3 });
    const answer = await ask(source, 'secret');
    expect([503, 504]).toContain((answer as { status?: number }).status);
    expect(JSON.stringify(answer)).not.toContain('secret');
  });
});

describe('issue 18: websockify opens a connection for each look-up', () => {
  let looks: string[];
  beforeAll(() => {
    looks = [];
  });

  test('and this source uses the client of the app', async () => {
    const client = clientOf((key) => Promise.resolve(looks.push(key) > 0 ? 'a:1' : null));
    const source = redisTokens(client, { prefix: 'p:' });
    await ask(source, 'a');
    await ask(source, 'constructor');
    expect(looks).toEqual(['p:a', 'p:constructor']);
  });
});

describe('issue 18: a Redis', () => {
  test('that does not answer refuses with 504 after the timeout', async () => {
    const source = redisTokens(
      clientOf(() => new Promise(() => undefined)),
      { prefix: 'p:', timeout: 0.05 },
    );
    expect(await ask(source, 'a')).toMatchObject({
      ...{ status: 504, detail: 'Redis did not answer within 0.05 seconds' },
    });
  });

  test('whose error repeats the command does not show the token', async () => {
    const failing = clientOf((key) => Promise.reject(new Error(`ERR unknown command GET ${key}`)));
    expect(await ask(redisTokens(failing, { prefix: 'p:' }), 'secret')).toEqual({
      ...{ code: 'WSTUNNEL_STATE_DOWN', status: 503, detail: 'Redis fails: ERR' },
    });
  });

  test.each(['ann:pw@desk:5900', 'a:0', 'a:70000', 'a:5900abc', '{"host":5}', 'x'.repeat(100_000), '{'])(
    'that answers %s refuses with 502',
    async (text) => {
      const source = redisTokens(
        clientOf(() => Promise.resolve(text)),
        { prefix: 'p:' },
      );
      expect(await ask(source, 'a')).toMatchObject({ status: 502 });
    },
  );

  test('whose client returns bytes is read', async () => {
    const client = clientOf(() => Promise.resolve(Buffer.from('desk:5901')));
    expect(await ask(redisTokens(client, { prefix: 'p:' }), 'a')).toEqual({
      target: { host: 'desk', port: 5901 },
    });
  });

  test('whose client fails without a code refuses with 503', async () => {
    const client = clientOf(() => Promise.reject(new Error('Connection is closed.')));
    expect(await ask(redisTokens(client, { prefix: 'p:' }), 'a')).toMatchObject({
      status: 503,
      detail: 'Redis fails: the connection is closed, or the command failed',
    });
  });

  test('that is asked for an aborted request is no longer awaited', async () => {
    const controller = new AbortController();
    const source = redisTokens(
      clientOf(() => new Promise(() => undefined)),
      { prefix: 'p:' },
    );
    const asking = ask(source, 'a', controller.signal);
    controller.abort(new Error('gone'));
    await expect(asking).rejects.toThrow('gone');
  });
});

test.each<[unknown, object, RegExp]>([
  [{}, { prefix: 'p:' }, /needs a client of the package redis \(createClient\) or ioredis/],
  ['redis://x', { prefix: 'p:' }, /needs a client/],
  [undefined, { prefix: 'p:' }, /needs a client/],
  [clientOf(() => Promise.resolve(null)), undefined as never, /needs options .* such as { prefix: 'vnc:' }/],
  [clientOf(() => Promise.resolve(null)), {}, /prefix is required, such as "vnc:"/],
  [
    clientOf(() => Promise.resolve(null)),
    { prefix: '', once: true },
    /must not be empty with once: a token could remove/,
  ],
  [clientOf(() => Promise.resolve(null)), { prefix: 'p:', timeout: 1000 }, /did you mean 1\?/],
  [clientOf(() => Promise.resolve(null)), { prefix: 'p:', one: true }, /did you mean "once"/],
])('%o with %o is refused', (client, options, message) => {
  expect(() => redisTokens(client as never, options as never)).toThrow(message);
});
