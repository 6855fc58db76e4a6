import { once } from 'node:events';
import { isIP } from 'node:net';
import express from 'express';
import express4 from 'express4';
import { describe, expect, test } from 'vitest';
import { checkAddress } from '../../../src/guard/address-lists.js';
import { compileAddresses, normalizeAddress } from '../../../src/request/client-address.js';
import type { RefuseInfo, TunnelInfo, TunnelOptions } from '../../../src/index.js';
import { openRaw, requestTunnel } from '../../support/raw-client.js';
import { makeTunnel, startEcho, startHttp, startTunnel } from '../../support/servers.js';
import { until } from '../../support/wait.js';

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

describe('address lists', () => {
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
  ])('"%s" is refused as an entry', (entry) => {
    expect(() => compileAddresses([entry])).toThrow();
  });

  test('each address has one canonical spelling', () => {
    expect(normalizeAddress('FE80::1%eth0')).toBe('fe80::1');
    expect(normalizeAddress('::FFFF:192.0.2.1')).toBe('192.0.2.1');
    expect(normalizeAddress('2001:DB8::1')).toBe('2001:db8::1');
  });

  describe('issue 12, case 22: an address is the same in every notation', () => {
    test.each([
      ['203.0.113.7:5001', '203.0.113.7'],
      ['203.0.113.7:', '203.0.113.7'],
      [' 203.0.113.7 ', '203.0.113.7'],
      ['"203.0.113.7:5001"', '203.0.113.7'],
      ['[203.0.113.7]:5001', '203.0.113.7'],
      ['::ffff:cb00:7107', '203.0.113.7'],
      ['::FFFF:CB00:7107', '203.0.113.7'],
      ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
      ['[::ffff:203.0.113.7]:5001', '203.0.113.7'],
      ['[2001:db8::1]', '2001:db8::1'],
      ['[2001:db8::1]:443', '2001:db8::1'],
      ['"[2001:db8::1]"', '2001:db8::1'],
      ['"[2001:db8::1]:443"', '2001:db8::1'],
      ['2001:0DB8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
      ['2001:db8:0:0::1', '2001:db8::1'],
      ['[fe80::1%eth0]:443', 'fe80::1'],
      ['[FE80::1%25eth0]', 'fe80::1'],
      // RFC 5952 section 4.2: `::` replaces the longest run, the first of equal runs, and never a single group.
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['0:0:0:0:0:0:0:1', '::1'],
      ['1:0:0:0:0:0:0:0', '1::'],
      ['::1.2.3.4', '::102:304'],
      // Without brackets the last group is not a port.
      ['2001:db8::1:443', '2001:db8::1:443'],
    ])('%s is %s', (text, address) => {
      expect(normalizeAddress(text)).toBe(address);
      expect(normalizeAddress(address)).toBe(address);
    });

    test.each([
      ...['203.0.113.7:65536', '203.0.113.7:x', '203.0.113.7:-1', '203.0.113.7:1:2', '203.0.113.7 5001'],
      ...['010.0.0.1', '203.0.113.07:80', '::ffff:010.0.0.1', '0x7f.0.0.1', '127.1', '2130706433'],
      ...['[2001:db8::1', '2001:db8::1]', '[2001:db8::1]443', '[2001:db8::g]:1', '[[::1]]', '"::1', '[]', ''],
      ...['unknown', '_hidden:80', `${'1.'.repeat(40_000)}1`, `[${':'.repeat(100_000)}]`],
    ])('%.30s is not an address', (text) => {
      expect(normalizeAddress(text)).toBe(text);
      expect(isIP(normalizeAddress(text))).toBe(0);
    });

    test.each<[string, unknown]>([
      ['loopback', 'loopback'],
      ['a number', 1],
      ['a function', (address: string) => address === '127.0.0.1'],
      ['a list', ['127.0.0.1']],
    ])("under 'trust proxy' %s the port in X-Forwarded-For is ignored", async (_name, trust) => {
      for (const app of [express(), express4()]) {
        const { port: backend } = await startEcho();
        const tunnel = makeTunnel({
          server: { port: backend },
          limits: { perClient: 1 },
          allow: ['203.0.113.0/24', '2001:db8::/32'],
          deny: ['203.0.113.8'],
        });
        app.set('env', 'test').set('trust proxy', trust).use('/tunnel', tunnel);
        const { port } = await startHttp(app);
        const opened: string[] = [];
        tunnel.on('open', ({ address }) => opened.push(address));
        const ask = async (from: string) => {
          const client = requestTunnel(port, '/tunnel', { 'X-Forwarded-For': from });
          return (await client.answer()).status;
        };
        expect(await ask('203.0.113.7:5001')).toBe(101);
        expect(await ask('203.0.113.7:5002')).toBe(429);
        expect(await ask('[::ffff:cb00:7107]:5003')).toBe(429);
        expect(await ask('203.0.113.8:5001')).toBe(403);
        expect(await ask('[2001:DB8::1]:443')).toBe(101);
        expect(await ask('"[2001:0db8:0:0:0::2]"')).toBe(429);
        expect(await ask('203.0.113.07:5001')).toBe(403);
        expect(opened).toEqual(['203.0.113.7', '2001:db8::1']);
      }
    });

    test('the PROXY header to the backend has the address without its port', async () => {
      const backend = await startEcho();
      const { app, port } = await startTunnel({ server: { port: backend.port, proxyProtocol: 1 } });
      app.set('trust proxy', 'loopback');
      await openRaw(port, '/tunnel', { 'X-Forwarded-For': '203.0.113.7:5001' });
      await until(() => backend.received().includes('\r\n'));
      expect(backend.received().toString()).toMatch(/^PROXY TCP4 203\.0\.113\.7 127\.0\.0\.1 0 \d+\r\n$/);
    });

    test('sticky balancing keeps one host per address, whatever the port', async () => {
      const backends = [await startEcho(), await startEcho(), await startEcho(), await startEcho()];
      const { app, port, tunnel } = await startTunnel({
        server: backends.map((backend) => ({ port: backend.port })),
        balance: 'sticky',
      });
      app.set('trust proxy', 'loopback');
      const chosen = new Set<string>();
      tunnel.on('open', ({ backend }) => chosen.add(backend));
      for (let n = 0; n < 16; n++)
        await openRaw(port, '/tunnel', { 'X-Forwarded-For': `203.0.113.7:${5000 + n}` });
      expect(chosen.size).toBe(1);
    });
  });

  test('deny wins over allow, whatever the order', () => {
    const rules = { allow: ['192.0.2.0/24', '2001:db8::1'], deny: ['192.0.2.7', '::ffff:192.0.2.8'] };
    expect(passes('192.0.2.6', rules)).toBe(true);
    expect(passes('192.0.2.7', rules)).toBe(false);
    expect(passes('::ffff:192.0.2.8', rules)).toBe(false);
    expect(passes('192.0.3.1', rules)).toBe(false);
    expect(passes('2001:db8::1', rules)).toBe(true);
  });

  test('a value that is not an address is accepted only without lists', () => {
    for (const address of ['', 'unknown', '192.0.2.1:65536', '010.0.2.1', '::ffff:010.0.2.1', '_hidden']) {
      expect(passes(address, {})).toBe(true);
      expect(passes(address, { allow: ['0.0.0.0/0', '::/0'] })).toBe(false);
      expect(passes(address, { deny: ['198.51.100.1'] })).toBe(false);
    }
  });
});

describe('the address of a client', () => {
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

  test('is the result of clientAddress, normalized', async () => {
    expect(await addressUnder(true, { clientAddress: () => '::FFFF:192.0.2.1' })).toBe('192.0.2.1');
    expect(await addressUnder('loopback', { clientAddress: () => undefined })).toBe('');
  });

  // Issue 12, case 12: with these options, deny admitted every client.
  test.each([
    ['allow', { allow: ['127.0.0.1', '203.0.113.9'] }],
    ['deny', { deny: ['192.0.2.1'] }],
  ])("%s under 'trust proxy' true is refused, and the event names the fix", async (name, options) => {
    const { app, port, tunnel } = await startTunnel(options);
    app.set('trust proxy', true);
    const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
    const client = requestTunnel(port, '/tunnel', { 'X-Forwarded-For': '203.0.113.9' });
    expect((await client.answer()).status).toBe(500);
    expect((await client.rest()).toString()).toBe('The tunnel could not be opened.\n');
    const [info] = await refused;
    expect(info).toMatchObject({ status: 500, code: 'WSTUNNEL_HOOK_FAILED' });
    for (const part of [name, "'trust proxy': true", "app.set('trust proxy', 'loopback')", 'clientAddress'])
      expect(info.reason).toContain(part);
  });

  test('`allow` and `deny` with clientAddress are not refused', async () => {
    const options = { allow: ['192.0.2.1'], deny: ['192.0.2.2'], clientAddress: () => '192.0.2.1' };
    expect(await addressUnder(true, options)).toBe('192.0.2.1');
  });

  test('a forged X-Forwarded-For does not bypass a list', async () => {
    const { port } = await startTunnel({ allow: ['203.0.113.9'] });
    const client = requestTunnel(port, '/tunnel', { 'X-Forwarded-For': '203.0.113.9' });
    expect((await client.answer()).status).toBe(403);
  });
});
