import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { checkAddress } from '../../../src/guard/address.js';
import { compileAddresses, normalizeAddress } from '../../../src/helpers/address.js';
import type { RefuseInfo, TunnelInfo, TunnelOptions } from '../../../src/index.js';
import { handshake, openRaw, RawClient } from '../../support/raw-client.js';
import { startTunnel } from '../../support/servers.js';

function passes(address: string, rules: { allow?: string[]; deny?: string[] }): boolean {
  const compiled = {
    allow: rules.allow && compileAddresses(rules.allow),
    deny: rules.deny && compileAddresses(rules.deny),
  };
  try {
    checkAddress(normalizeAddress(address), compiled);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'WSTUNNEL_ADDRESS_REFUSED', status: 403 });
    return false;
  }
}

describe('lists', () => {
  test.each<[string, string[], string[]]>([
    [
      '192.0.2.7',
      ['192.0.2.7', '::ffff:192.0.2.7', '::FFFF:192.0.2.7', '::ffff:c000:207'],
      ['192.0.2.8', '::ffff:192.0.2.8'],
    ],
    ['192.0.2.7/32', ['192.0.2.7'], ['192.0.2.6', '192.0.2.8']],
    ['192.0.2.4/31', ['192.0.2.4', '192.0.2.5'], ['192.0.2.3', '192.0.2.6']],
    ['192.0.2.9/24', ['192.0.2.0', '192.0.2.255'], ['192.0.1.255', '192.0.3.0', '2001:db8::1']],
    ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255', '::ffff:1.2.3.4'], ['2001:db8::1', '::1']],
    ['2001:db8::/32', ['2001:db8::', '2001:DB8:ffff::1'], ['2001:db7:ffff::', '2001:db9::', '192.0.2.1']],
    ['2001:db8::1/128', ['2001:db8::1', '2001:db8:0:0::1'], ['2001:db8::2']],
    ['2001:db8::/33', ['2001:db8:7fff::'], ['2001:db8:8000::']],
    ['::1', ['::1', '0:0:0:0:0:0:0:1'], ['::2', '127.0.0.1']],
    ['::/0', ['::1', 'ffff::'], []],
    ['::ffff:192.0.2.7', ['192.0.2.7', '::ffff:192.0.2.7'], ['192.0.2.8']],
    ['::ffff:192.0.2.0/120', ['192.0.2.0', '192.0.2.255', '::ffff:192.0.2.9'], ['192.0.3.0', '2001:db8::1']],
    ['::ffff:0.0.0.0/96', ['1.2.3.4'], ['::1']],
    ['fe80::1%eth0', ['fe80::1', 'fe80::1%eth0', 'fe80::1%lo'], ['fe80::2']],
  ])('%s', (entry, within, outside) => {
    for (const address of within) {
      expect(passes(address, { allow: [entry] }), `allow ${address}`).toBe(true);
      expect(passes(address, { deny: [entry] }), `deny ${address}`).toBe(false);
    }
    for (const address of outside) {
      expect(passes(address, { allow: [entry] }), `allow ${address}`).toBe(false);
      expect(passes(address, { deny: [entry] }), `deny ${address}`).toBe(true);
    }
  });

  test.each([
    ...[
      '',
      'localhost',
      '1.2.3',
      '1.2.3.4.5',
      '01.2.3.4',
      '256.1.1.1',
      ' 1.2.3.4',
      '1.2.3.4 ',
      '1.2.3.4:80',
      '[::1]',
      ':::',
    ],
    ...[
      '1.2.3.4/',
      '1.2.3.4/33',
      '1.2.3.4/-1',
      '1.2.3.4/8/8',
      '1.2.3.4/ 8',
      '1.2.3.4/x',
      '1.2.3.4/255.0.0.0',
      '::/129',
    ],
    ...['::ffff:1.2.3.4/80', '/8', '*', '1.2.3.*'],
  ])('"%s" is no entry', (entry) => {
    expect(() => compileAddresses([entry])).toThrow();
  });

  test('one spelling for each address', () => {
    expect(normalizeAddress('FE80::1%eth0')).toBe('fe80::1');
    expect(normalizeAddress('::FFFF:192.0.2.1')).toBe('192.0.2.1');
    expect(normalizeAddress('2001:DB8::1')).toBe('2001:db8::1');
  });

  test('deny wins over allow, whatever the entry', () => {
    const rules = { allow: ['192.0.2.0/24', '2001:db8::1'], deny: ['192.0.2.7', '::ffff:192.0.2.8'] };
    expect(passes('192.0.2.6', rules)).toBe(true);
    expect(passes('192.0.2.7', rules)).toBe(false);
    expect(passes('::ffff:192.0.2.8', rules)).toBe(false);
    expect(passes('192.0.3.1', rules)).toBe(false);
    expect(passes('2001:db8::1', rules)).toBe(true);
  });

  test('what is no address passes only where there is no list', () => {
    for (const address of ['', 'unknown', '192.0.2.1:4711', '_hidden']) {
      expect(passes(address, {})).toBe(true);
      expect(passes(address, { allow: ['0.0.0.0/0', '::/0'] })).toBe(false);
      expect(passes(address, { deny: ['198.51.100.1'] })).toBe(false);
    }
  });
});

describe('the client address', () => {
  /** The address of a client that sends `X-Forwarded-For`. */
  async function addressUnder(trust: unknown, options: Partial<TunnelOptions> = {}): Promise<string> {
    const { app, port, tunnel } = await startTunnel(options);
    if (trust !== undefined) app.set('trust proxy', trust);
    const opened = once(tunnel, 'open') as Promise<[TunnelInfo]>;
    await openRaw(port, '/tunnel', { 'X-Forwarded-For': '203.0.113.9, 198.51.100.7' });
    return (await opened)[0].address;
  }

  test.each<[string, unknown, string]>([
    ['unset', undefined, '127.0.0.1'],
    ['false', false, '127.0.0.1'],
    ['true', true, '127.0.0.1'],
    ['1', 1, '198.51.100.7'],
    ['2', 2, '203.0.113.9'],
    ["'loopback'", 'loopback', '198.51.100.7'],
    ['a list', ['127.0.0.1', '198.51.100.0/24'], '203.0.113.9'],
    ['a list without the peer', ['192.0.2.1'], '127.0.0.1'],
    ['a function', (address: string) => address === '127.0.0.1', '198.51.100.7'],
  ])("under 'trust proxy' %s", async (_name, trust, address) => {
    expect(await addressUnder(trust)).toBe(address);
  });

  test('clientAddress decides instead, normalized', async () => {
    expect(await addressUnder(true, { clientAddress: () => '::FFFF:192.0.2.1' })).toBe('192.0.2.1');
    expect(await addressUnder('loopback', { clientAddress: () => undefined })).toBe('');
  });

  test("allow under 'trust proxy' true is refused, and the event names the way out", async () => {
    const { app, port, tunnel } = await startTunnel({ allow: ['127.0.0.1', '203.0.113.9'] });
    app.set('trust proxy', true);
    const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
    const client = new RawClient(port).send(handshake('/tunnel', { 'X-Forwarded-For': '203.0.113.9' }));
    expect((await client.answer()).status).toBe(500);
    expect((await client.rest()).toString()).toBe('The tunnel could not be opened.\n');
    const [info] = await refused;
    expect(info).toMatchObject({ status: 500, code: 'WSTUNNEL_HOOK_FAILED' });
    for (const part of [
      'allow',
      "'trust proxy': true",
      "app.set('trust proxy', 'loopback')",
      'clientAddress',
    ])
      expect(info.reason).toContain(part);
  });

  test('allow together with clientAddress is not', async () => {
    const options = { allow: ['192.0.2.1'], clientAddress: () => '192.0.2.1' };
    expect(await addressUnder(true, options)).toBe('192.0.2.1');
  });

  test('a forged X-Forwarded-For does not get past a list', async () => {
    const { port } = await startTunnel({ allow: ['203.0.113.9'] });
    const client = new RawClient(port).send(handshake('/tunnel', { 'X-Forwarded-For': '203.0.113.9' }));
    expect((await client.answer()).status).toBe(403);
  });
});
