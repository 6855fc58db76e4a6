import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { isExempt } from '../../src/client/proxy/no-proxy.js';
import { describeWith } from '../support/programs.js';
import { closedPort, listen, portOf } from '../support/servers.js';

const NAMES = ['example.com', 'a.example.com', 'myexample.com', 'example.com.au', 'other.example'];
const ADDRESSES = ['127.0.0.1', '127.1.2.3', '::1'];

/** Lists for which curl 7.86 (2022) and later versions agree: no ports, no wildcards but `*`, no IPv6 ranges. */
const LISTS = [
  ...['', '*', 'com', '.', 'example.com', '.example.com', 'example.com.', 'EXAMPLE.com', 'a.example.com'],
  ...['127.0.0.1', '127.0.0.0/8', '127.0.0.0/24', '127.0.0.0/33', '0.0.1', '10.0.0.0/8', '::1', '::2'],
  'other.example,127.1.0.0/16, ::1',
];

describeWith('curl')('issue 13, case 2: NO_PROXY beside curl', () => {
  test.each(LISTS)('%j', { timeout: 60_000 }, async (list) => {
    const asked: string[] = [];
    const proxy = createServer((req, res) => {
      asked.push(req.url ?? '');
      res.end();
    });
    await listen(proxy);
    const port = await closedPort();
    const environment = {
      PATH: process.env.PATH,
      http_proxy: `127.0.0.1:${portOf(proxy)}`,
      NO_PROXY: list,
    };
    for (const host of [...NAMES, ...ADDRESSES]) {
      const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/`;
      // Every name resolves to loopback, and no program listens there.
      const args = ['--silent', '--max-time', '20', '--resolve', `*:${port}:127.0.0.1`, url];
      await promisify(execFile)('curl', args, { env: environment }).catch(() => undefined);
      expect({ host, exempt: isExempt(list, { host, port }) }).toEqual({
        host,
        exempt: !asked.includes(url),
      });
    }
  });
});
