import { getRounds, hashSync } from 'bcryptjs';
import { describe, expect, test } from 'vitest';
import { Accounts, readAccounts } from '../../../src/command/listen/login/accounts.js';
import { WRONG_LOGINS } from '../../../src/command/listen/login/wrong-logins.js';
import { LoginMemory } from '../../../src/command/listen/login/login-memory.js';
import { requireLogin } from '../../../src/command/listen/login/require-login.js';
import { files } from '../../support/command.js';
import { passwordDigest, type Secret } from '../../../src/command/listen/login/secrets.js';
import { startApp } from '../../support/servers.js';

/** Settings under which wrong logins cause no pause. */
const UNSLOWED = {
  ...WRONG_LOGINS,
  client: { ...WRONG_LOGINS.client, free: 1e6 },
  pair: { ...WRONG_LOGINS.pair, free: 1e6 },
};

async function accountsOf(text: string, memory = new LoginMemory()): Promise<Accounts> {
  const { file } = await files({ file: text });
  return readAccounts([{ file: file! }], () => undefined, { memory });
}

/** Counts the bcrypt rounds of each comparison, and accepts the password `right` for every hash. */
function countingBcrypt() {
  const rounds: number[] = [];
  const compare = (password: string, hashes: readonly string[]) => {
    rounds.push(hashes.reduce((sum, hash) => sum + 2 ** getRounds(hash), 0));
    return Promise.resolve(password === 'right');
  };
  return { rounds, bcrypt: { compare } };
}

test('an attacker gets sixteen attempts at once and does not delay users who logged in before', async () => {
  const memory = new LoginMemory({ guesses: UNSLOWED });
  const accounts = await accountsOf(`ann:${hashSync('right', 6)}\n`, memory);
  expect(await accounts.verify('ann', 'right')).toBe('yes');
  const names = Array.from({ length: 18 }, (_, i) => (i % 2 === 0 ? 'ann' : 'nobody'));
  const guesses = names.map((name) => accounts.verify(name, 'wrong', 'address 192.0.2.1'));
  expect(await accounts.verify('ann', 'right')).toBe('yes');
  // One login is compared, sixteen are queued, and one gets no slot.
  expect((await Promise.all(guesses)).sort()).toEqual(['busy', ...Array.from({ length: 17 }, () => 'no')]);
  expect(await accounts.verify('ann', 'wrong')).toBe('no');
});

test('a name with two passwords is refused at the start, without the hash', async () => {
  const { one, two } = await files({
    one: `ann:${hashSync('right', 4)}\n`,
    two: `ann:${hashSync('other', 4)}\n`,
  });
  const read = () => readAccounts([{ file: one! }, { file: two! }], () => undefined);
  expect(read).toThrow(/two: one name has two passwords$/);
  expect(read).not.toThrow(/\$2/);
});

test('an unknown name is refused, whatever the password', async () => {
  const accounts = await accountsOf(`ann:${hashSync('right', 4)}\n`);
  for (const name of ['nobody', '', '__proto__', 'constructor'])
    expect(await accounts.verify(name, 'right')).toBe('no');
});

test('passwords are compared one at a time, so on one core at most', async () => {
  const accounts = await accountsOf(`slow:${hashSync('x', 11)}\nquick:${hashSync('x', 4)}\n`);
  const order: string[] = [];
  await Promise.all(
    ['slow', 'quick'].map(async (name) => {
      await accounts.verify(name, 'x');
      order.push(name);
    }),
  );
  expect(order).toEqual(['slow', 'quick']);
});

test('tunnels keep running while a password is compared', async () => {
  const accounts = await accountsOf(`ann:${hashSync('right', 11)}\n`);
  await accounts.verify('ann', 'first');
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  count();
  expect(await accounts.verify('ann', 'wrong')).toBe('no');
  isOver = true;
  // A comparison in this thread would allow only a few event-loop turns.
  expect(turns).toBeGreaterThan(100);
});

test('too many logins at once get 503 with a time to retry', async () => {
  const busy = { verify: () => Promise.resolve('busy') } as unknown as Accounts;
  const { port } = await startApp((app) => app.use(requireLogin(busy)));
  const answer = await fetch(`http://127.0.0.1:${port}/`, {
    headers: { Authorization: `Basic ${btoa('a:b')}` },
  });
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
});

test('a hash that would take minutes is refused', async () => {
  const hash = hashSync('x', 4).replace('$04$', '$15$');
  await expect(accountsOf(`ann:${hash}\n`)).rejects.toThrow(/:1: the cost of a bcrypt hash must be 4 to 14/);
});

describe('issue 12, case 8: logins with --auth', () => {
  const hashOf = (cost: number) => ({
    hash: hashSync('x', 4).replace('$04$', `$${String(cost).padStart(2, '0')}$`),
  });

  test('every name costs bcrypt the same time, also an unknown one or one with a plain password', async () => {
    const secrets = new Map<string, Secret>([
      ['four', hashOf(4)],
      ['ten', hashOf(10)],
      ['twelve', hashOf(12)],
      ['plain', { digest: passwordDigest('secret') }],
    ]);
    const { rounds, bcrypt } = countingBcrypt();
    const accounts = new Accounts(secrets, { bcrypt });
    for (const name of [...secrets.keys(), 'nobody', '', '__proto__'])
      expect(await accounts.verify(name, 'wrong')).toBe('no');
    expect(rounds).toEqual(Array.from({ length: 7 }, () => 2 ** 12));
    // The invented hash of an unknown name matches no password.
    for (const name of ['plain', 'nobody']) expect(await accounts.verify(name, 'right')).toBe('no');
  });

  test('a file with plain passwords only calls no bcrypt', async () => {
    const { rounds, bcrypt } = countingBcrypt();
    const accounts = new Accounts(new Map([['ann', { digest: passwordDigest('secret') }]]), { bcrypt });
    expect(await accounts.verify('ann', 'secret')).toBe('yes');
    expect(await accounts.verify('nobody', 'secret')).toBe('no');
    expect(rounds).toEqual([]);
  });

  test('a successful login is remembered for its client only', async () => {
    const { rounds, bcrypt } = countingBcrypt();
    const accounts = new Accounts(new Map([['ann', hashOf(10)]]), { bcrypt });
    for (let i = 0; i < 50; i++) expect(await accounts.verify('ann', 'right', 'home')).toBe('yes');
    expect(rounds).toHaveLength(1);
    expect(await accounts.verify('ann', 'right', 'elsewhere')).toBe('yes');
    expect(rounds).toHaveLength(2);
  });

  test('a remembered login allows ten wrong passwords, then bcrypt is called in turn', async () => {
    const { rounds, bcrypt } = countingBcrypt();
    const accounts = new Accounts(new Map([['ann', hashOf(10)]]), {
      bcrypt,
      memory: new LoginMemory({ guesses: UNSLOWED }),
    });
    expect(await accounts.verify('ann', 'right', 'home')).toBe('yes');
    for (let i = 0; i < 10; i++) expect(await accounts.verify('ann', `guess ${i}`, 'home')).toBe('no');
    const before = rounds.length;
    expect(await accounts.verify('ann', 'right', 'home')).toBe('yes');
    expect(rounds.length).toBe(before + 1);
  });

  test('simultaneous requests with the same login cost one comparison', async () => {
    const { rounds, bcrypt } = countingBcrypt();
    const accounts = new Accounts(new Map([['ann', hashOf(10)]]), { bcrypt });
    const page = Array.from({ length: 6 }, () => accounts.verify('ann', 'right', 'home'));
    expect(new Set(await Promise.all(page))).toEqual(new Set(['yes']));
    expect(rounds).toHaveLength(1);
  });

  test('failed logins are remembered under new settings', async () => {
    const memory = new LoginMemory({ queue: { perClient: 1, total: 1, wait: 50, hold: 0 } });
    const before = await accountsOf(`ann:${hashSync('right', 4)}\n`, memory);
    for (let i = 0; i < 4; i++) await before.verify('ann', 'wrong', 'bad');
    const after = await accountsOf(`ann:${hashSync('right', 4)}\n`, memory);
    expect(await after.verify('ann', 'wrong', 'bad')).toBe('slowed');
    expect(await after.verify('ann', 'right', 'home')).toBe('yes');
  });

  test('the client is the address that the app sees, for IPv6 its /64', async () => {
    const clients: unknown[] = [];
    const accounts = {
      verify: (...args: unknown[]) => Promise.resolve(clients.push(args[2]) ? 'no' : 'yes'),
    };
    const { port } = await startApp((app) => {
      app.set('trust proxy', 'loopback');
      app.use(requireLogin(accounts as unknown as Accounts));
    });
    for (const forwarded of ['192.0.2.7', '::ffff:192.0.2.7', '2001:DB8:1:2:3::4', '2001:db8:1:2::9'])
      await fetch(`http://127.0.0.1:${port}/`, {
        headers: { Authorization: `Basic ${btoa('a:b')}`, 'X-Forwarded-For': forwarded },
      });
    const [v4, v6] = ['address 192.0.2.7', 'address 2001:db8:1:2::/64'];
    expect(clients).toEqual([v4, v4, v6, v6]);
  });

  test.each([
    ['slowed', 429, '10'],
    ['busy', 503, '1'],
    ['failed', 503, '10'],
  ])('%s is a %d that says when to retry', async (verdict, status, seconds) => {
    const accounts = { verify: () => Promise.resolve(verdict) } as unknown as Accounts;
    const { port } = await startApp((app) => app.use(requireLogin(accounts)));
    const answer = await fetch(`http://127.0.0.1:${port}/`, {
      headers: { Authorization: `Basic ${btoa('a:b')}` },
    });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([status, seconds]);
    expect(answer.headers.get('www-authenticate')).toBeNull();
  });
});

describe('issue 12, case 19: the 72 bytes of bcrypt', () => {
  const long = 'ä'.repeat(36);

  test.each([
    ['72 bytes and more', `${long}x`, long],
    ['72 bytes, cut in a character', `x${long}`, `x${'ä'.repeat(35)}`],
    ['a NUL', 'right\0right', 'right'],
  ])('a password with %s is wrong, whatever the hash was made of', async (_, given, made) => {
    const accounts = await accountsOf(`ann:${hashSync(made, 4)}\nbob:${hashSync(given, 4)}\n`);
    expect(await accounts.verify('ann', given)).toBe('no');
    expect(await accounts.verify('bob', given)).toBe('no');
  });

  test('a password of 72 bytes is accepted', async () => {
    const accounts = await accountsOf(`ann:${hashSync(long, 4)}\n`);
    expect(await accounts.verify('ann', long)).toBe('yes');
    expect(await accounts.verify('ann', long.slice(0, -1))).toBe('no');
  });

  test('a plain password may be longer, and counts to its last byte', async () => {
    const { file, hashes } = await files({ file: `${long}${long}\n`, hashes: `bob:${hashSync('x', 4)}\n` });
    const accounts = readAccounts([{ user: 'ann', file: file! }, { file: hashes! }], () => undefined);
    expect(await accounts.verify('ann', `${long}${long}`)).toBe('yes');
    expect(await accounts.verify('ann', `${long}${long}x`)).toBe('no');
    expect(await accounts.verify('bob', `${long}${long}`)).toBe('no');
  });

  test('the answer names this limit, for every name alike', async () => {
    const accounts = await accountsOf(`ann:${hashSync('right', 4)}\n`);
    const { port } = await startApp((app) => app.use(requireLogin(accounts)));
    const textFor = async (name: string, password: string) => {
      const encoded = Buffer.from(`${name}:${password}`).toString('base64');
      const answer = await fetch(`http://127.0.0.1:${port}/`, {
        headers: { Authorization: `Basic ${encoded}` },
      });
      return `${answer.status} ${await answer.text()}`;
    };
    const [known, unknown] = [await textFor('ann', `${long}x`), await textFor('nobody', `${long}x`)];
    expect(known).toMatch(/^401 .*bcrypt hash has at most 72 bytes/);
    expect(unknown).toBe(known);
    expect(await textFor('ann', 'wrong')).toBe('401 log in first\n');
  });

  test('bytes that are not UTF-8 are not a password', async () => {
    const { file } = await files({ file: 'p\uFFFDss\n', latin1: Buffer.from('p\xe4ss\n', 'latin1') });
    expect(() => readAccounts([{ user: 'ann', file: file! }], () => undefined)).toThrow(/is not UTF-8/);
    const accounts = await accountsOf(`ann:${hashSync('p\uFFFDss', 4)}\n`);
    const { port } = await startApp((app) => app.use(requireLogin(accounts)));
    const encoded = Buffer.from('ann:p\xe4ss', 'latin1').toString('base64');
    const answer = await fetch(`http://127.0.0.1:${port}/`, {
      headers: { Authorization: `Basic ${encoded}` },
    });
    expect(answer.status).toBe(401);
  });
});

describe('issue 16: the login of an open tunnel', () => {
  const hashOf = (password: string, cost = 10) => ({
    hash: hashSync(password, 4).replace('$04$', `$${String(cost).padStart(2, '0')}$`),
  });

  test('runs bcrypt again only after the stored password has changed, also across a reload', async () => {
    const { rounds, bcrypt } = countingBcrypt();
    const memory = new LoginMemory();
    const stored = hashOf('right');
    const before = new Accounts(new Map([['ann', stored]]), { bcrypt, memory });
    expect(await before.verify('ann', 'right', 'home')).toBe('yes');
    const reloaded = new Accounts(new Map([['ann', stored]]), { bcrypt, memory });
    for (let i = 0; i < 20; i++) expect(await reloaded.recheck('ann', 'right')).toBe('yes');
    expect(rounds).toHaveLength(1);
    const rehashed = new Accounts(new Map([['ann', hashOf('right', 11)]]), { bcrypt, memory });
    for (let i = 0; i < 20; i++) expect(await rehashed.recheck('ann', 'right')).toBe('yes');
    expect(rounds).toHaveLength(2);
    const removed = new Accounts(new Map([['bob', stored]]), { bcrypt, memory });
    expect(await removed.recheck('ann', 'right')).toBe('no');
    expect(await removed.recheck('bob', 'right')).toBe('yes');
    expect(rounds).toHaveLength(3);
  });

  test('counts no wrong login when the password has changed', async () => {
    const { bcrypt } = countingBcrypt();
    const memory = new LoginMemory();
    const secrets = new Map<string, Secret>([
      ['ann', hashOf('new')],
      ['eve', { digest: passwordDigest('new') }],
    ]);
    const accounts = new Accounts(secrets, { bcrypt, memory });
    const started = performance.now();
    for (let i = 0; i < 30; i++)
      for (const name of ['ann', 'eve', 'nobody']) expect(await accounts.recheck(name, 'old')).toBe('no');
    expect(await accounts.recheck('eve', 'new')).toBe('yes');
    // Thirty counted failures would have taken two minutes.
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test('is unclear while a password can not be compared', async () => {
    const bcrypt = { compare: () => Promise.reject(new Error('EAGAIN')) };
    const accounts = new Accounts(new Map([['ann', hashOf('new')]]), { bcrypt });
    expect(await accounts.recheck('ann', 'old')).toBe('failed');
  });
});
