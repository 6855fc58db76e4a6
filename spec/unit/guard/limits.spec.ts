import { describe, expect, test } from 'vitest';
import { LocalCounter, takePlace } from '../../../src/guard/limits.js';
import { networkOf } from '../../../src/helpers/address.js';

const refusal = (code: string, status: number) => ({ code, status });

test('places are free again once they are released, each once', async () => {
  const counter = new LocalCounter();
  const limits = { total: 3, perClient: 2 };
  const take = (address: string) => takePlace(counter, limits, address);
  const [first] = [await take('192.0.2.1'), await take('192.0.2.1')];
  await expect(take('192.0.2.1')).rejects.toMatchObject(refusal('WSTUNNEL_TOO_MANY', 429));
  await take('192.0.2.2');
  await expect(take('192.0.2.3')).rejects.toMatchObject(refusal('WSTUNNEL_FULL', 503));
  first.release();
  first.release();
  // The refused one holds none of its client's places either.
  const again = [await take('192.0.2.3')];
  await expect(take('192.0.2.3')).rejects.toMatchObject(refusal('WSTUNNEL_FULL', 503));
  for (const place of again) place.release();
  await take('192.0.2.2');
});

test('0 is no limit, and counts nothing', async () => {
  const counter = new LocalCounter();
  for (let n = 0; n < 1000; n++) await takePlace(counter, { total: 0, perClient: 0 }, 'a');
  expect(counter.take('total', 1)).toBeDefined();
});

test('the total may be counted elsewhere, later', async () => {
  const released: string[] = [];
  const counter = {
    take: (name: string) =>
      Promise.resolve(name === 'total' ? undefined : { release: () => released.push(name) }),
  };
  await expect(takePlace(counter, { total: 1, perClient: 1 }, '192.0.2.1')).rejects.toMatchObject({
    code: 'WSTUNNEL_FULL',
  });
  expect(released).toEqual(['client 192.0.2.1']);
});

describe('one client', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80:1:2:3:4:5::', 'fe80:1:2:3::/64'],
    ['', ''],
  ])('%s counts as %s', (address, name) => {
    expect(networkOf(address)).toBe(name);
  });
});
