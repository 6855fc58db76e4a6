import { hashSync } from 'bcryptjs';
import { expect, test } from 'vitest';
import { readAccounts, type Accounts } from '../../../src/command/listen/accounts.js';
import { requireLogin } from '../../../src/command/listen/login.js';
import { files } from '../../support/command.js';
import { startApp } from '../../support/servers.js';

async function accountsOf(text: string): Promise<Accounts> {
  const { file } = await files({ file: text });
  return readAccounts([{ file: file! }], () => undefined);
}

test('whoever guesses passwords has four tries at once, and holds up nobody who was in before', async () => {
  const accounts = await accountsOf(`ann:${hashSync('right', 6)}\n`);
  expect(await accounts.verify('ann', 'right')).toBe('yes');
  const guesses = ['ann', 'nobody', 'ann', 'nobody', 'ann', 'nobody'].map((name) =>
    accounts.verify(name, 'wrong'),
  );
  expect(await accounts.verify('ann', 'right')).toBe('yes');
  expect(await Promise.all(guesses)).toEqual(['no', 'no', 'no', 'no', 'busy', 'busy']);
  expect(await accounts.verify('ann', 'wrong')).toBe('no');
});

test("a name that nobody has comes in by nobody's password", async () => {
  const accounts = await accountsOf(`ann:${hashSync('right', 4)}\n`);
  for (const name of ['nobody', '', '__proto__', 'constructor'])
    expect(await accounts.verify(name, 'right')).toBe('no');
});

test('passwords are compared one after the other: a core at the most', async () => {
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

test('the tunnels go on while a password is compared', async () => {
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
  // In this thread it would leave a turn now and then.
  expect(turns).toBeGreaterThan(100);
});

test('too many at once is a 503 that says when to come again', async () => {
  const busy = { verify: () => Promise.resolve('busy') } as unknown as Accounts;
  const { port } = await startApp((app) => app.use(requireLogin(busy)));
  const answer = await fetch(`http://127.0.0.1:${port}/`, {
    headers: { Authorization: `Basic ${btoa('a:b')}` },
  });
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
});

test('a hash that would take minutes is refused', async () => {
  const hash = hashSync('x', 4).replace('$04$', '$15$');
  await expect(accountsOf(`ann:${hash}\n`)).rejects.toThrow(/:1: a bcrypt hash has a cost of 4 to 14/);
});
