import { describe, expect, test } from 'vitest';
import type { Host, RefuseInfo, TunnelOptions } from '../../src/index.js';
import { tokenServer, type TokenServerOptions, type TokenSource } from '../../src/tokens/index.js';
import { requestTunnel, type RawHeaders } from '../support/raw-client.js';
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
