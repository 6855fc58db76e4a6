import { EntryFault, readEntry } from '../../../src/tokens/entry.js';
import { isIP } from 'node:net';
import { RecordingDecoder } from '../../../src/record/format/decoder.js';
import { MAX_RECORD, RECORD_HEAD } from '../../../src/record/format/layout.js';
import { RedisBackplane } from '../../../src/redis/redis-backplane.js';
import type { RedisClient } from '../../../src/redis/redis-client.js';
import { ReplicaGroup } from '../../../src/replicas/replica-group.js';
import { TunnelError } from '../../../src/errors.js';
import { isJwt } from '../../../src/tokens/jwt/jwt-form.js';
import { jwtTokens } from '../../../src/tokens/jwt-tokens.js';
import { redisTokens } from '../../../src/tokens/redis-tokens.js';
import { readTokenTarget } from '../../../src/tokens/files/token-file.js';
import type { Random } from '../../support/random.js';
import { cutRandomly, mutate } from '../../fault/fuzz/frames.js';
import { recordingOf, type Step } from '../../unit/record/recorded.js';
import { allow, type Target } from './target.js';
import { textOf } from './texts.js';

const ENTRIES = [
  '{"host": "127.0.0.1:5900", "user": "ann", "viewOnly": true, "maxDuration": 60}',
  '{"host": "desk.lan", "port": 5900, "sub": "x"}',
  '{"host": "unix_socket:/run/x"}',
  '{"host": "unix_socket", "port": "/run/x"}',
  'desk.lan:5900',
  '[::1]:5900',
];
const PIECES = [
  '"',
  '{',
  '}',
  ':',
  ',',
  '"host"',
  '"view_only"',
  '"__proto__"',
  'null',
  'true',
  '1e9',
  '-1',
  '70000',
  '[',
  ']',
  '\\',
  '/',
  '\0',
  'é',
  '::',
  '"a b"',
  'unix_socket:',
  '{"a":{}}',
];

/** Checks the target of an entry. */
function checkAnswer(answer: {
  target?: unknown;
  user?: unknown;
  viewOnly?: unknown;
  maxDuration?: unknown;
}): void {
  const { host, port, socket } = answer.target as { host?: string; port?: number; socket?: string };
  if (
    socket !== undefined
      ? !/^\/[^\0]*$/s.test(socket)
      : !(Number.isInteger(port) && port! > 0 && port! < 65_536)
  )
    throw new Error('a wrong target passed');
  if (host !== undefined && isIP(host) === 0 && !/^[\w.-]+$/.test(host))
    throw new Error('a wrong host passed');
  if (answer.user !== undefined && typeof answer.user !== 'string') throw new Error('a wrong user passed');
  if (answer.viewOnly !== undefined && typeof answer.viewOnly !== 'boolean')
    throw new Error('wrong rights passed');
}

const LINES = [
  'desk: 127.0.0.1:5900',
  'a: unix_socket:/run/x',
  'b: tls:h:1',
  'c: [::1]:5',
  'd: unix:/x',
  'e: 5900',
];
const SIGNED = 'eyJhbGciOiJIUzI1NiJ9.eyJob3N0IjoiYSIsInBvcnQiOjEsImV4cCI6OTk5OTk5OTk5OX0.c2ln';
const jwt = jwtTokens({ key: Buffer.alloc(32, 7), algorithms: ['HS256'], audience: false });
const never = new AbortController().signal;

function jwtText(random: Random): string {
  if (random.oneIn(3))
    return textOf(random, [SIGNED], ['.', '..', 'e30', 'eyJhbGciOiJub25lIn0', '=', '-', '_'], '');
  const part = () => {
    const text = random.oneIn(3)
      ? textOf(random, ENTRIES, PIECES, '')
      : random.pick([
          '{"alg":"HS256"}',
          '{"alg":"none"}',
          '{"alg":"dir","enc":"A256GCM"}',
          '{"alg":1}',
          '{"crit":["x"],"alg":"HS256"}',
          '{}',
          '{"exp":1}',
        ]);
    return Buffer.from(text).toString('base64url');
  };
  return Array.from({ length: random.pick([3, 3, 3, 5, 2]) }, part).join('.');
}

/** A value as a client of Redis may give it. */
function reply(random: Random, depth = 3): unknown {
  switch (random.below(depth === 0 ? 8 : 11)) {
    case 0:
      return null;
    case 1:
      return random.word() - 2 ** 31;
    case 2:
      return random.pick([
        'taken',
        'full',
        'unknown',
        'filling',
        'stored',
        'user-full',
        'used',
        'expired',
        '0-0',
        '5-1',
        'OK',
        '',
      ]);
    case 3:
      return textOf(random, ENTRIES, PIECES, '');
    case 4:
      return random.bytes(random.size(20));
    case 5:
      return random.pick([NaN, Infinity, -1, 2 ** 60, true, undefined]);
    case 6:
      return random.oneIn(4) ? new Error('WRONGTYPE Operation') : `${random.below(99)}-${random.below(9)}`;
    case 7:
      return { id: '1-1', message: {} };
    default:
      return Array.from({ length: random.below(7) }, () => reply(random, depth - 1));
  }
}

const MESSAGES = [
  '{"kind":"end","from":"a#1","id":"5-1","previous":"0-0","at":5,"text":"{\\"where\\":{\\"user\\":\\"x\\"},\\"code\\":1008,\\"reason\\":\\"r\\",\\"from\\":\\"a#1\\"}"}',
  '{"kind":"ask","from":"a#1","question":"q","about":"x","data":null}',
  '{"kind":"answer","from":"a#1","question":"q","data":{"ended":1}}',
  '{"kind":"hosts","from":"a#1","loads":{"h:1":3},"down":{"h:1":2.5}}',
  '{"kind":"hello","from":"a#1"}',
  '{"kind":"emptied","from":"a#1"}',
  '{"kind":"bye","from":"a#1"}',
];

async function askBackplane(random: Random, note: (text: string) => void): Promise<void> {
  const replies: unknown[] = [];
  const answer = () => {
    const value = reply(random);
    replies.push(value);
    note(JSON.stringify(replies, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one)));
    return value instanceof Error ? Promise.reject(value) : Promise.resolve(value);
  };
  const client = {
    failure: { reason: undefined, onFailure: undefined },
    run: answer,
    publish: () => Promise.resolve(),
    entriesAfter: async () => {
      const value = await answer();
      return Array.isArray(value)
        ? value.map((one: unknown) => ({
            id: String(one),
            fields: { at: String(one), text: String(one), previous: '0-0' },
          }))
        : [];
    },
    free: () => undefined,
  } as unknown as RedisClient;
  const backplane = new RedisBackplane(client, { prefix: 'p:', ttl: 45, timeout: 1, names: 'plain' });
  const taken = await settle(backplane.take('a#1#1', [{ name: 'user x', most: 2 }]));
  if (
    taken &&
    !['taken', 'full', 'unknown', 'recovering', 'broken'].includes((taken as { kind: string }).kind)
  )
    throw new Error('a wrong outcome');
  await settle(backplane.join('a#1#1', undefined, [{ name: 'total', count: 1 }]));
  await settle(backplane.beat('a#1#1'));
  await settle(backplane.storeEnd('{}'));
  await settle(backplane.endsAfter('0-0'));
  const ticket = (await settle(backplane.takeTicket('t'))) as { kind: string; content?: unknown } | undefined;
  if (ticket?.kind === 'taken' && typeof ticket.content !== 'string')
    throw new Error('a ticket without content');
  await settle(backplane.putTicket('t', 'c', 1000));
}

/** Throws unless the error comes from Redis itself. */
async function settle<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (!/^(WRONGTYPE|a newer join)/.test((error as Error).message)) throw error;
    return undefined;
  }
}

/** A group that receives messages of others: an invalid message must change nothing and throw nothing. */
function hear(random: Random, note: (text: string) => void): void {
  let listener: { message(text: string): void } | undefined;
  const calls: number[] = [];
  const silent = new Promise<never>(() => undefined);
  const group = new ReplicaGroup(
    {
      listen: (_: string, given: { message(text: string): void }) => ((listener = given), Promise.resolve()),
      join: () => silent,
      beat: () => silent,
      take: () => silent,
      adjust: () => silent,
      refresh: () => silent,
      leave: () => Promise.resolve(),
      storeEnd: () => silent,
      endsAfter: () => Promise.resolve({ ends: [], isComplete: true }),
      putTicket: () => silent,
      takeTicket: () => silent,
      publish: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
    { name: 'x', ttl: 45, timeout: 0.05, whenDown: 'local' },
    {
      counts: () => [],
      hosts: () => ({ loads: {}, down: {} }),
      end: ({ code }) => (calls.push(code), 0),
      answer: () => undefined,
      changed: () => undefined,
      log: () => undefined,
    },
  );
  void group.start();
  for (let left = random.between(1, 5); left > 0; left--) {
    const text = textOf(random, MESSAGES, [...PIECES, '"kind"', '"from"', '"end"', '"hosts"', 'NaN'], '');
    note(text);
    listener?.message(text);
  }
  if (calls.some((code) => typeof code !== 'number')) throw new Error('a wrong call of end()');
  void group.close();
}

const STEPS: readonly Step[] = Array.from({ length: 12 }, (_, i) => [
  i % 3 === 2 ? 'in' : 'out',
  i * 100,
  Buffer.alloc((i * 37) % 200, i),
]);
const RECORDING = recordingOf(STEPS);

export const stores: Target[] = [
  {
    name: 'tokens: entries of Redis and of an API, and claims',
    share: 40,
    async check(random, note) {
      const text = textOf(random, ENTRIES, PIECES, '');
      note(text);
      try {
        checkAnswer(readEntry(text));
      } catch (error) {
        allow(error, EntryFault);
      }
      if (!random.oneIn(4)) return;
      const value = random.oneIn(2) ? text : reply(random);
      const client = { get: () => Promise.resolve(value), getdel: () => Promise.resolve(value) };
      const source = redisTokens(client, { prefix: 'p:', once: random.oneIn(2) });
      try {
        const answer = await source('t', { req: undefined as never, signal: never, note: () => undefined });
        if (answer) checkAnswer(answer);
      } catch (error) {
        allow(error, TunnelError);
      }
    },
  },
  {
    name: 'tokens: lines of a token file',
    share: 40,
    check(random, note) {
      const text = textOf(random, LINES, [...PIECES, 'unix:', 'tls:', 'ws://', '# ', '\n'], '');
      note(text);
      for (const line of text.split('\n')) {
        const host = readTokenTarget(line.replace(/^\S+:\s+/, ''));
        if (host?.port !== undefined && !(host.port > 0 && host.port < 65_536))
          throw new Error('a wrong port');
      }
    },
  },
  {
    name: 'tokens: JWTs of strangers, none of which is valid',
    share: 6,
    async check(random, note) {
      const text = jwtText(random);
      note(text);
      isJwt(text);
      try {
        const answer = await jwt(text, { req: undefined as never, signal: never, note: () => undefined });
        if (answer !== undefined) throw new Error('a JWT without a signature passed');
      } catch (error) {
        allow(error, TunnelError);
      }
    },
  },
  {
    name: 'recordings: the decoder, in any pieces',
    share: 36,
    check(random, note) {
      const bytes = mutate(random, mutate(random, RECORDING));
      note(bytes);
      const decoder = new RecordingDecoder();
      let last = 0;
      for (const piece of cutRandomly(random, bytes)) {
        for (const { ms, bytes: part } of decoder.push(piece)) {
          if (ms < last || part.length > MAX_RECORD)
            throw new Error(`${ms} ms after ${last}, ${part.length} bytes`);
          last = ms;
        }
        if (decoder.rest > RECORD_HEAD + MAX_RECORD) throw new Error(`${decoder.rest} bytes in memory`);
      }
    },
  },
  { name: 'Redis: replies to the scripts of the shared state', share: 10, check: askBackplane },
  { name: 'Redis: messages between processes', share: 10, check: hear },
];
