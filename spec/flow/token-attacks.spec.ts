import type { LookupFunction } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Host, RefuseInfo, TunnelOptions } from '../../src/index.js';
import { tokenServer, type TokenServerOptions, type TokenSource } from '../../src/tokens/index.js';
import { debugLines } from '../support/debug-lines.js';
import { requestTunnel, statusOf, type RawHeaders } from '../support/raw-client.js';
import { startTunnel } from '../support/servers.js';
import { accepting, startByHand } from '../support/websocket-server.js';

const TOKEN = 'sec.ret';

/** A backend that speaks WebSocket, and a tunnel whose tokens lead to it. */
async function startPair(tokens: TokenServerOptions, host: Host = {}, options: Partial<TunnelOptions> = {}) {
  const asked: string[] = [];
  const backend = await startByHand((peer, head) => {
    asked.push(head);
    peer.send(accepting(head));
  });
  const source: TokenSource = (token) =>
    token === TOKEN ? { target: { url: backend.url, ...host } } : undefined;
  const started = await startTunnel({ server: tokenServer(source, tokens), ...options });
  const refused: RefuseInfo[] = [];
  started.tunnel.on('refuse', (info: RefuseInfo) => refused.push(info));
  return { ...started, asked, refused, backend };
}

function throwsText(text: string): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error
  throw text;
}

async function answerOf(port: number, path: string, headers: RawHeaders) {
  const client = requestTunnel(port, path, headers);
  const answer = await client.answer();
  client.socket.destroy();
  return answer;
}

describe('a backend that speaks WebSocket', () => {
  test.each([
    ['query', `/tunnel?token=${TOKEN}`, {}],
    ['path', `/tunnel/${TOKEN}`, {}],
    ['cookie', '/tunnel', { Cookie: `token=${TOKEN}` }],
    ['subprotocol', '/tunnel', { 'Sec-WebSocket-Protocol': `tty, token.${TOKEN}, token.sec.ret2` }],
  ] as const)('never gets the token of %s', async (from, path, headers) => {
    const { port, asked } = await startPair({ from });
    expect(await answerOf(port, path, headers)).toMatchObject({ status: 101 });
    expect(asked).toHaveLength(1);
    expect(asked[0]).not.toContain(TOKEN);
    if (from === 'subprotocol') expect(asked[0]).toMatch(/^sec-websocket-protocol: tty\r$/im);
  });

  test('gets no header of subprotocols if the client offers only the token', async () => {
    const { port, asked } = await startPair({ from: 'subprotocol' });
    expect((await answerOf(port, '/tunnel', { 'Sec-WebSocket-Protocol': `token.${TOKEN}` })).status).toBe(
      101,
    );
    expect(asked[0]).not.toMatch(/sec-websocket-protocol/i);
  });
});

describe('a token in a subprotocol', () => {
  test('is not among the subprotocols of the hook, which can not choose it', async () => {
    const offers: string[][] = [];
    const subprotocol: TunnelOptions['subprotocol'] = (offered) => {
      offers.push([...offered]);
      return [...offered][0];
    };
    const { port } = await startPair({ from: 'subprotocol' }, { mode: 'bytes' }, { subprotocol });
    const { headers } = await answerOf(port, '/tunnel', { 'Sec-WebSocket-Protocol': `token.${TOKEN}, tty` });
    expect(headers['sec-websocket-protocol']).toBe('tty');
    expect(offers).toEqual([['tty']]);
  });

  test('is not chosen for a refusal by a Close', async () => {
    const { port } = await startPair({ from: 'subprotocol' }, {}, { refuseWith: 'close' });
    const offered = 'token.other, tty';
    const { status, headers } = await answerOf(port, '/tunnel', { 'Sec-WebSocket-Protocol': offered });
    expect([status, headers['sec-websocket-protocol']]).toEqual([101, 'tty']);
  });
});

describe('a name under a list of ranges', () => {
  /** A name server whose answers come in turn; the last one stays. */
  const answers =
    (...addresses: string[]): LookupFunction =>
    (_name, options, done) => {
      const address = (addresses.length > 1 ? addresses.shift() : addresses[0]) ?? '';
      if (options.all === true) done(null, [{ address, family: 4 }]);
      else done(null, address, 4);
    };

  test.each(['url', 'host'])('of a host with %s is dialled inside alone', async (kind) => {
    const at: number[] = [];
    const backend = await startByHand((peer, head) => {
      at.push(1);
      peer.send(accepting(head));
    });
    const address: Host =
      kind === 'url'
        ? { url: `ws://desk.example:${backend.port}/` }
        : { host: 'desk.example', port: backend.port };
    const statuses: number[] = [];
    for (const [lookup, range] of [
      [answers('127.0.0.1'), '10.0.0.0/8'],
      // DNS rebinding: the second answer is for the dial.
      [answers('10.0.0.1', '127.0.0.1'), '10.0.0.0/8'],
      [answers('127.0.0.1'), '127.0.0.0/8'],
    ] as const) {
      const source: TokenSource = () => ({ target: { ...address, lookup } });
      const server = tokenServer(source, { targets: [`${range}:${backend.port}`] });
      const { port } = await startTunnel({ server });
      statuses.push(await statusOf(port, '/tunnel?token=a'));
      expect(backend.sockets).toHaveLength(statuses.at(-1) === 101 ? 1 : 0);
    }
    expect(statuses).toEqual([404, 502, 101]);
  });
});

describe('a secret that a source repeats', () => {
  test.each<[string, TokenSource]>([
    ['in an error', (token) => Promise.reject(new Error(`no row ${token} of ${encodeURIComponent(token)}`))],
    [
      'in the cause of an error',
      (token) => Promise.reject(new Error('the query failed', { cause: new Error(`no row ${token}`) })),
    ],
    ['in a value', (token) => token as never],
    ['in place of a target', (token) => ({ target: token }) as never],
    ['in place of a list', (token) => ({ target: [token] }) as never],
    ['in a misspelt name', (token) => ({ target: { port: 1 }, [token]: 1 })],
    ['as a host', (token) => ({ target: { host: `http://${token}/`, port: 1 } })],
    ['as a text', (token) => throwsText(token)],
  ])('%s is in no event and in no log', async (_where, source) => {
    const secret = `sec ret/"1${'x'.repeat(100)}`;
    const lines = debugLines();
    const refused: RefuseInfo[] = [];
    const { port, tunnel } = await startTunnel({ server: tokenServer(source) });
    tunnel.on('refuse', (info: RefuseInfo) => refused.push(info));
    expect(await statusOf(port, `/tunnel?token=${encodeURIComponent(secret)}`)).toBe(500);
    expect(lines.length).toBeGreaterThan(0);
    const seen = JSON.stringify([lines, refused, tunnel.stats()]);
    for (const text of ['sec ret', 'sec%20ret']) expect(seen).not.toContain(text);
  });
});
