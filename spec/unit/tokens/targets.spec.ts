import type { LookupFunction } from 'node:net';
import { describe, expect, test } from 'vitest';
import { readTargetEntry, readTargets } from '../../../src/tokens/targets.js';
import type { Host } from '../../../src/types.js';

const { signal } = new AbortController();
const allows = async (targets: string[] | '*', host: Host) =>
  (await readTargets(targets, 'targets')(host, signal)) !== undefined;

/** A name server whose answer the test changes. */
function nameServer(addresses: string[]): { lookup: LookupFunction; addresses: string[] } {
  const server = {
    addresses,
    lookup: ((_name, options, done) => {
      const all = server.addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      if (options.all === true) done(null, all);
      else done(null, all[0]!.address, all[0]!.family);
    }) as LookupFunction,
  };
  return server;
}

describe('a target', () => {
  test.each<[string[] | '*', Host]>([
    ['*', { port: 1 }],
    ['*', { connect: () => Promise.reject(new Error('not called')) }],
    [['desk.lan:5900'], { host: 'desk.lan', port: 5900 }],
    [['desk.lan:5900'], { host: 'DESK.lan.', port: 5900 }],
    [['*.lan:5900-5999'], { host: 'a.b.lan', port: 5999 }],
    [['*.lan:*'], { host: 'a.lan', port: 1 }],
    [['*.lan:*'], { host: 'b\u00fcro.lan', port: 1 }],
    [['*:5900'], { host: 'anything', port: 5900 }],
    [['*:5900'], { host: '192.0.2.1', port: 5900 }],
    [['10.0.0.0/8:5900'], { host: '10.1.2.3', port: 5900 }],
    [['10.0.0.0/8:5900'], { host: '::ffff:10.1.2.3', port: 5900 }],
    [['10.0.0.1:5900'], { host: '10.0.0.1', port: 5900 }],
    [['[fd00::/8]:5900'], { host: 'fd00::1', port: 5900 }],
    [['[::1]:5900'], { host: '0:0::1', port: 5900 }],
    [['127.0.0.1:5900'], { port: 5900 }],
    [['unix:/run/vnc.sock'], { socket: '/run/vnc.sock' }],
    [['unix:/run/vnc/'], { socket: '/run/vnc/a/b.sock' }],
    [['unix:/run/vnc/'], { host: '/run/vnc/a' }],
    [['unix:@name'], { socket: '@name' }],
    [['desk.lan:443'], { url: 'wss://desk.lan/x' }],
    [['desk.lan:80'], { url: 'ws://desk.lan' }],
    [['[::1]:8080'], { url: 'ws://[::1]:8080/' }],
  ])('in %j: %o', async (targets, host) => {
    expect(await allows(targets, host)).toBe(true);
  });

  test.each<[string[], Host]>([
    [['desk.lan:5900'], { host: 'desk.lan', port: 5901 }],
    [['desk.lan:5900'], { host: 'desk.lan.evil', port: 5900 }],
    [['*.lan:5900'], { host: 'lan', port: 5900 }],
    [['*.lan:5900'], { host: 'evillan', port: 5900 }],
    [['*.0.0.1:5900'], { host: '127.0.0.1', port: 5900 }],
    [['10.0.0.0/8:5900'], { host: '11.0.0.1', port: 5900 }],
    [['10.0.0.0/8:5900'], { host: '::ffff:11.0.0.1', port: 5900 }],
    [['10.0.0.0/8:5900'], { host: '10.0.0.1', port: 22 }],
    [['192.0.2.1:*'], { port: 5900 }],
    [['unix:/run/vnc/'], { socket: '/run/vnc/../docker.sock' }],
    [['unix:/run/vnc/'], { socket: '/run/vncx' }],
    [['unix:/run/vnc/'], { socket: '@/run/vnc/' }],
    [['unix:/run/vnc/'], { host: '/run/docker.sock' }],
    [['*:*'], { socket: '/run/docker.sock' }],
    [['*:*'], { connect: () => Promise.reject(new Error('not called')) }],
    [['desk.lan:443'], { url: 'wss://desk.lan:8443/' }],
    [['desk.lan:443'], { url: 'wss://desk.lan@evil/' }],
    // getaddrinfo() ends a name at NUL.
    [['*.lan:5900'], { host: 'localhost\0.lan', port: 5900 }],
    ...['10.0.0.1%evil', ' 10.0.0.1', '"10.0.0.1"', '10.0.0.1:80', '[10.0.0.1]'].map(
      (host): [string[], Host] => [['10.0.0.0/8:5900'], { host, port: 5900 }],
    ),
    [['unix:/run/vnc/'], { socket: '/run/vnc/a\0b' }],
    [['unix:/run/vnc/'], { socket: '/run/vnc/' }],
  ])('outside of %j: %o', async (targets, host) => {
    expect(await allows(targets, host)).toBe(false);
  });
});

describe('a name under a list of ranges', () => {
  test('passes if one of its addresses is in the ranges, and is refused otherwise', async () => {
    const inside = nameServer(['192.0.2.1', '10.0.0.1']);
    const outside = nameServer(['192.0.2.1', '127.0.0.1']);
    const targets = ['10.0.0.0/8:5900'];
    expect(await allows(targets, { host: 'a.example', port: 5900, lookup: inside.lookup })).toBe(true);
    expect(await allows(targets, { host: 'a.example', port: 5900, lookup: outside.lookup })).toBe(false);
  });

  // DNS rebinding: the answer changes between the check and the dial.
  test('is dialled only at addresses in the ranges, whatever the name server answers later', async () => {
    const names = nameServer(['10.0.0.1']);
    const host = { host: 'a.example', port: 5900, lookup: names.lookup };
    const checked = (await readTargets(['10.0.0.0/8:5900'], 'targets')(host, signal))!;
    const dialled = (all: boolean) =>
      new Promise((resolve) =>
        checked.lookup!('a.example', { all }, (error, found) => resolve(error?.message ?? found)),
      );
    names.addresses = ['127.0.0.1', '10.0.0.2', '::1'];
    expect(await dialled(true)).toEqual([{ address: '10.0.0.2', family: 4 }]);
    names.addresses = ['127.0.0.1'];
    const refusal = 'the addresses of a.example are outside of targets';
    expect([await dialled(true), await dialled(false)]).toEqual([refusal, refusal]);
  });

  test('is dialled at one address inside, and a failure of the name server is reported', async () => {
    let failure: NodeJS.ErrnoException | null = null;
    const names = nameServer(['10.0.0.1']);
    const lookup: LookupFunction = (name, options, done) =>
      failure ? done(failure, '') : names.lookup(name, options, done);
    const host = { host: 'a.example', port: 5900, lookup };
    const checked = (await readTargets(['10.0.0.0/8:5900'], 'targets')(host, signal))!;
    const dialled = () =>
      new Promise((resolve) =>
        checked.lookup!('a.example', {}, (error, found, family) => resolve(error ?? [found, family])),
      );
    expect(await dialled()).toEqual(['10.0.0.1', 4]);
    failure = Object.assign(new Error('no answer'), { code: 'EAI_AGAIN' });
    expect(await dialled()).toBe(failure);
  });

  test('in an unusual spelling of an address is compared by the address dialled', async () => {
    expect(await allows(['10.0.0.0/8:5900'], { host: '0x7f.1', port: 5900 })).toBe(false);
    expect(await allows(['127.0.0.0/8:5900'], { host: '2130706433', port: 5900 })).toBe(true);
  });

  test('that the list names is not resolved', async () => {
    const lookup: LookupFunction = () => {
      throw new Error('must not be called');
    };
    expect(await allows(['10.0.0.0/8:5900', '*.lan:5900'], { host: 'a.lan', port: 5900, lookup })).toBe(true);
  });
});

test.each([
  ...['', 'desk.lan', '5900', ':5900', 'a:0', 'a:70000', 'a:5900abc', 'a:9-1', 'a:-5', '10.0.0.0/33:1'],
  ...['fd00::/8:1', '[fd00::/8]', '[x]:1', '**.lan:1', 'a*:1', 'a b:1', 'unix:', 'unix:run', 'unix:/a/../b'],
  ...['unix:/a\0', 'http://a:1', 'user@a:1', 5900, null, {}],
])('%j is not a target', (text) => {
  expect(readTargetEntry(text)).toBeUndefined();
  expect(() => readTargets([text], 'targets')).toThrow(/targets\[0\] must list targets such as/);
});

test.each([[undefined], [[]], ['desk.lan:5900'], [{}]])('%j is not a list of targets', (value) => {
  expect(() => readTargets(value, 'targets')).toThrow(/targets must list targets such as .* or be "\*"/);
});
