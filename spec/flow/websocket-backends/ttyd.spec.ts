import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Host } from '../../../src/index.js';
import { onCleanup } from '../../support/cleanup.js';
import { listen, portOf, startTunnel } from '../../support/servers.js';
import { until } from '../../support/wait.js';

/**
 * A double of ttyd 1.7 with `--check-origin` and `--auth-header X-WEBAUTH-USER`, since Debian has no ttyd: the subprotocol `tty`; the
 * host of Origin must be Host; the first message of the client is JSON with `AuthToken`, `columns` and `rows`. Then each message is
 * binary and begins with a type: of the client 0 (input), 1 (size, JSON), 2 (pause), 3 (resume); of ttyd 0 (output), 1 (title),
 * 2 (settings, JSON).
 */
async function startTtyd() {
  const users: string[] = [];
  const http = createServer();
  const server = new WebSocketServer({
    noServer: true,
    handleProtocols: () => 'tty',
    perMessageDeflate: true,
  });
  http.on('upgrade', (req, socket, head) => {
    const { origin, host } = req.headers;
    const user = req.headers['x-webauth-user'];
    const offered = req.headers['sec-websocket-protocol']?.split(', ') ?? [];
    const isSameOrigin = origin !== undefined && new URL(origin).host === host;
    // ttyd refuses by an end of the connection, without an answer.
    if (req.url !== '/ws' || !offered.includes('tty') || !isSameOrigin || typeof user !== 'string')
      return void socket.end();
    users.push(user);
    server.handleUpgrade(req, socket, head, (client) => {
      let isPaused = false;
      let hasStarted = false;
      let output = '';
      const flush = () => {
        if (isPaused || output === '') return;
        client.send(Buffer.from(`0${output}`));
        output = '';
      };
      client.on('error', () => undefined);
      client.on('message', (data: Buffer) => {
        const text = data.toString();
        if (!hasStarted) {
          const { columns, rows } = JSON.parse(text) as { columns: number; rows: number };
          hasStarted = true;
          client.send(Buffer.from('1bash (desk)'));
          client.send(Buffer.from('2{"disableLeaveAlert":true}'));
          output += `${columns}x${rows} $ `;
        } else if (text.startsWith('0')) output += text.slice(1);
        else if (text.startsWith('1')) output += `resized ${text.slice(1)}`;
        else isPaused = text.startsWith('2');
        if (text === '0exit\r') client.close(1000);
        else flush();
      });
    });
  });
  await listen(http);
  onCleanup(() => {
    for (const client of server.clients) client.terminate();
  });
  return { users, url: `ws://127.0.0.1:${portOf(http)}/ws` };
}

async function startSite(host: Host = {}) {
  const ttyd = await startTtyd();
  const started = await startTunnel({
    server: () => ({ url: ttyd.url, headers: { 'X-WEBAUTH-USER': 'ann' }, ...host }),
    origins: '*',
  });
  const dial = (origin: string, subprotocol = 'tty') => {
    const client = new WebSocket(started.url, subprotocol, {
      headers: { Origin: origin, 'X-WEBAUTH-USER': 'root', X_WEBAUTH_USER: 'root' },
    });
    onCleanup(() => client.terminate());
    const got: string[] = [];
    client.on('message', (data: Buffer, isBinary) =>
      got.push(`${isBinary ? '' : 'text '}${data.toString()}`),
    );
    client.on('error', () => undefined);
    return { client, got };
  };
  return { ...started, ...ttyd, dial, own: `http://127.0.0.1:${started.port}` };
}

async function statusFor({ client }: { client: WebSocket }): Promise<number> {
  const [, answer] = (await once(client, 'unexpected-response')) as [unknown, { statusCode: number }];
  return answer.statusCode;
}

test('issue 18: a terminal of ttyd works through the tunnel, as the user that the app names', async () => {
  const { dial, own, users, tunnel } = await startSite();
  const { client, got } = dial(own);
  await once(client, 'open');
  expect(client.protocol).toBe('tty');
  expect(users).toEqual(['ann']);
  client.send('{"AuthToken":"","columns":100,"rows":30}');
  await until(() => got.length === 3);
  expect(got).toEqual(['1bash (desk)', '2{"disableLeaveAlert":true}', '0100x30 $ ']);
  client.send(Buffer.from('0ls\r'));
  await until(() => got.length === 4);
  client.send(Buffer.from('1{"columns":80,"rows":24}'));
  await until(() => got.length === 5);
  expect(got.slice(3)).toEqual(['0ls\r', '0resized {"columns":80,"rows":24}']);
  client.send(Buffer.from('2'));
  client.send(Buffer.from('0paused'));
  client.send(Buffer.from('3'));
  await until(() => got.length === 6);
  expect(got[5]).toBe('0paused');
  client.send(Buffer.from('0exit\r'));
  expect((await once(client, 'close'))[0]).toBe(1000);
  await until(() => tunnel.stats().open === 0);
});

test('the check of the origin by ttyd works with the Host of the client, and refuses other origins', async () => {
  const site = await startSite();
  expect(await statusFor(site.dial('http://elsewhere.test'))).toBe(502);
  expect(await statusFor(site.dial(site.own, 'chat'))).toBe(502);
  expect(site.users).toEqual([]);
  // Refused requests take ttyd from no other client.
  const refused = [1, 2, 3, 4].map(() => statusFor(site.dial('http://elsewhere.test')));
  expect(await Promise.all(refused)).toEqual([502, 502, 502, 502]);
  await once(site.dial(site.own).client, 'open');
  // With a Host of its own, ttyd needs an Origin of this host as well.
  const named = await startSite({ headers: { 'X-WEBAUTH-USER': 'ann', Host: 'tty.lan' } });
  expect(await statusFor(named.dial(named.own))).toBe(502);
  const both = await startSite({
    headers: { 'X-WEBAUTH-USER': 'ann', Host: 'tty.lan', Origin: 'https://tty.lan' },
  });
  const { client } = both.dial(both.own);
  await once(client, 'open');
});

test('without the header of the app ttyd refuses, whatever the client sends', async () => {
  const site = await startSite({ headers: { 'X-WEBAUTH-USER': undefined } });
  expect(await statusFor(site.dial(site.own))).toBe(502);
  expect(site.users).toEqual([]);
});
