import type { BalanceName } from '../../../src/index.js';
import { dead, named, stuck, toAll, type Case, type Side } from '../run.js';
import { since } from '../../support/lighttpd-version.js';
import { handshake } from '../../support/raw-client.js';
import { until } from '../../support/wait.js';

const names = ['a', 'b', 'c'] as const;
const three = { a: named, b: named, c: named };

function balanced(
  balance: BalanceName | undefined,
  hostOptions: { conf: Record<string, number>; ours: Record<string, number> } = { conf: {}, ours: {} },
): Pick<Case, 'backends' | 'conf' | 'options'> {
  return {
    backends: three,
    conf: (at) => {
      const all = names.flatMap((name) => (at[name] ? [at[name].conf(hostOptions.conf)] : []));
      return `${toAll(...all)}${balance === undefined ? '' : `\nwstunnel.balance = "${balance}"`}`;
    },
    options: (at) => {
      const server = names.flatMap((name) => (at[name] ? [{ ...at[name].host, ...hostOptions.ours }] : []));
      return balance === undefined ? { server } : { server, balance };
    },
  };
}

/** A host that failed stays down for the whole test. */
const long = { conf: { 'disable-time': 600 }, ours: { disableTime: 600 } };
const short = { conf: { 'disable-time': 1 }, ours: { disableTime: 1 } };

async function times(count: number, ask: (index: number) => Promise<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for (let index = 0; index < count; index++) all.push(await ask(index));
  return all;
}

/** Opens and closes tunnels: the next tunnel goes to the lowest load, and to the first of equal hosts. */
const fairSteps = async (side: Side) => {
  const steps: unknown[] = await times(4, () => side.hold());
  await side.release('b');
  steps.push('b left', await side.hold());
  await side.release('c');
  await side.release('a');
  steps.push('c and a left', ...(await times(4, () => side.hold())));
  return { steps, loads: await side.loads() };
};

/** Tunnels with the same key, before and after the death of a host. */
async function keeps(side: Side, ask: (key: number) => Promise<string | number>) {
  const first = (await times(16, ask)) as string[];
  const again = await times(16, ask);
  const victim = first[0]!;
  await side.backend(victim).stop();
  const after = await times(16, ask);
  return {
    stable: first.every((name, key) => name === again[key]),
    'only the keys of the dead host moved': first.every((name, key) =>
      name === victim ? after[key] !== victim && typeof after[key] === 'string' : after[key] === name,
    ),
  };
}

export const BALANCE: Case[] = [
  { name: 'the default is fair', ...balanced(undefined), observe: fairSteps },
  { name: 'fair', ...balanced('fair'), observe: fairSteps },
  { name: 'least-connection is fair', ...balanced('least-connection'), observe: fairSteps },
  {
    name: 'fair: one after the other, all to the first',
    ...balanced('fair'),
    observe: (side) => times(5, () => side.who()),
  },
  {
    name: 'fair: a tunnel that is still connecting counts',
    ...balanced('fair'),
    backends: { a: stuck, b: named },
    observe: async (side) => {
      side.raw(handshake('/'));
      await until(async () => (await side.load()) === 1);
      return side.hold();
    },
  },
  {
    name: 'fair with a dead host: the others share',
    ...balanced('fair', long),
    backends: { a: named, b: dead, c: named },
    observe: async (side) => ({ steps: await times(6, () => side.hold()), loads: await side.loads() }),
  },
  { name: 'round-robin', ...balanced('round-robin'), observe: (side) => times(8, () => side.who()) },
  {
    name: 'round-robin: held tunnels change nothing',
    ...balanced('round-robin'),
    observe: async (side) => {
      const first = await times(4, () => side.hold());
      await side.release('a');
      return [...first, ...(await times(4, () => side.hold()))];
    },
  },
  {
    name: 'round-robin: a dead host is passed over, and has its turn when it is back',
    ...balanced('round-robin', short),
    backends: { a: named, b: dead, c: named },
    observe: async (side) => {
      const without = await times(5, () => side.who());
      await side.backend('b').start();
      await until(async () => (await side.who()) === 'b');
      return { without, with: await times(4, () => side.who()) };
    },
  },
  {
    name: 'round-robin: the first host dies in between',
    ...balanced('round-robin', long),
    observe: async (side) => {
      const before = await times(4, () => side.who());
      await side.backend('a').stop();
      return [...before, 'a dies', ...(await times(5, () => side.who()))];
    },
  },
  {
    name: 'hash: the same Host and path have the same backend, whatever the query',
    ...balanced('hash', long),
    listen: 'addresses',
    observe: async (side) => ({
      query: new Set(await times(4, (index) => side.who(`/desk?x=${index}`))).size,
      capitals: new Set([
        await side.who('/desk', { Host: 'desk.test' }),
        await side.who('/desk', { Host: 'DESK.test' }),
      ]).size,
      ...(await keeps(side, (key) => side.who(`/${key * 7919}`))),
    }),
  },
  {
    name: 'hash: several hosts are used',
    ...balanced('hash'),
    listen: 'addresses',
    observe: async (side) => ({
      byPath: new Set(await times(16, (key) => side.who(`/${key * 7919}`))).size > 1,
      byHost: new Set(await times(16, (key) => side.who('/', { Host: `desk${key * 7919}.test` }))).size > 1,
    }),
  },
  {
    name: 'hash: by the Host as well',
    ...balanced('hash', long),
    listen: 'addresses',
    observe: (side) => keeps(side, (key) => side.who('/', { Host: `desk${key * 7919}.test` })),
  },
  {
    name: 'hash: hosts on one address',
    ...balanced('hash', long),
    observe: async (side) => new Set(await times(16, (key) => side.who(`/${key * 7919}`))).size > 1,
    differs: {
      subject: '`hash` and hosts on one address',
      lighttpd: since({ '1.4.69': false, '1.4.74': true }),
      ours: true,
    },
  },
  {
    name: 'sticky: the same client has the same backend, whatever the path',
    ...balanced('sticky', long),
    listen: 'addresses',
    observe: async (side) => ({
      path: new Set(await times(4, (index) => side.who(`/${index}`))).size,
      ...(await keeps(side, (key) => side.who('/', {}, `127.0.0.${20 + key * 5}`))),
    }),
  },
  ...(['fair', 'round-robin', 'hash', 'sticky'] as const).map((balance): Case => ({
    name: `one host under ${balance}`,
    ...balanced(balance, long),
    backends: { a: named },
    observe: async (side) => {
      const before = await times(3, (index) => side.who(`/${index}`));
      await side.backend('a').stop();
      await side.who();
      return [...before, 'a dies', ...(await times(2, (index) => side.who(`/${index}`)))];
    },
  })),
  {
    name: 'an unknown balance',
    observe: (side) =>
      side.starts({
        conf: ({ a }) => `${toAll(a!.conf())}\nwstunnel.balance = "fastest"`,
        options: ({ a }) => ({ server: a!.host, balance: 'fastest' as BalanceName }),
      }),
    differs: { subject: 'unknown and impossible values', lighttpd: true, ours: false },
  },
];
