import { createServer } from 'node:https';
import { connect } from 'node:tls';
import express from 'express';
import { describe, expect, test } from 'vitest';
import type { TunnelOptions } from '../../src/index.js';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { frame, handshake, KEY, openRaw, RawClient, requestTunnel } from '../support/raw-client.js';
import { listen, makeTunnel, portOf, startEcho, startTunnel } from '../support/servers.js';

// RFC 6455 section 4, as far as it binds a server: 4.2.1, 4.2.2 and 4.4.
//
// Not here: 4.1, which binds clients alone; 4.3, a grammar that 4.2.1 and 4.2.2 refer to; "/extensions/ MUST be derived
// from the client's handshake", because this server supports no extensions and answers with none.

type Headers = Parameters<typeof handshake>[1];
type Options = Partial<TunnelOptions>;

const from = (headers: Headers = {}, start?: string) => handshake('/tunnel', headers, start);
const key = (value: string | string[] | undefined) => from({ 'Sec-WebSocket-Key': value });
const version = (value: string | string[] | undefined) => from({ 'Sec-WebSocket-Version': value });
const protocols = (value: string | string[]) => from({ 'Sec-WebSocket-Protocol': value });

async function answerTo(request: string, options: Options = {}) {
  const { port } = await startTunnel(options);
  const client = new RawClient(port).send(request);
  return { ...(await client.answer()), client };
}

describe('4.2.1 an invalid handshake MUST be answered with an HTTP error and not processed further', () => {
  test.each<[requirement: string, status: number, requests: string[]]>([
    ['1: a GET request', 400, ['POST', 'HEAD', 'PUT', 'OPTIONS'].map((method) => from({}, method))],
    ['1: HTTP/1.1 or higher', 400, [from().replace('HTTP/1.1', 'HTTP/1.0')]],
    ['2: a Host', 400, [from({ Host: undefined }), from({ Host: '' }), from({ Host: ['a', 'a'] })]],
    ['2: a Host that is an authority', 400, [from({ Host: 'a/b' }), from({ Host: 'a, b' })]],
    [
      '3: an Upgrade that contains websocket',
      404,
      [undefined, 'h2c', 'websocket2', 'web socket'].map((Upgrade) =>
        from({ Upgrade, Connection: 'close, upgrade' }),
      ),
    ],
    [
      '4: a Connection that includes Upgrade',
      400,
      [undefined, 'keep-alive', 'upgraded', 'not upgrade'].map((Connection) => from({ Connection })),
    ],
    ['5: a key', 400, [key(undefined), key(''), key([KEY, KEY])]],
    ['5: a key of base64', 400, [key(KEY.replace('h', '*')), key(KEY.replace('=', '')), key(`${KEY}=`)]],
    [
      '5: a key of 16 bytes',
      400,
      [15, 17, 0].map((length) => key(Buffer.alloc(length, 'k').toString('base64'))),
    ],
    ['6: a version', 400, [version(undefined)]],
    ['6: version 13', 426, ['8', '0', '14', '25', '130', '013', 'x', '13, 8'].map(version)],
    ['8: subprotocols are tokens', 400, ['a b', 'a,,b c', 'a/b', '"a"', 'a, a'].map(protocols)],
  ])('%s: %i', async (_, status, requests) => {
    for (const request of requests) {
      // A request without an upgrade to WebSocket stays HTTP.
      const behind = status === 404 ? '' : frame(9, 'unread').toString('latin1');
      const answer = await answerTo(request + behind);
      expect(answer.status, request).toBe(status);
      expect(answer.headers).not.toHaveProperty('sec-websocket-accept');
      await answer.client.ended();
      expect((await answer.client.rest()).includes(Buffer.from([0x8a]))).toBe(false);
    }
  });
});

describe('4.2.1 a valid handshake is accepted', () => {
  test.each<[requirement: string, requests: string[]]>([
    ['the order of the header fields is not important', [reversed(from())]],
    ['names of header fields have no case', [from().replace(/^Sec-\S+|^Host|^Upgrade/gm, shout)]],
    ['1: the Request-URI may be absolute', [handshake('http://127.0.0.1/tunnel')]],
    [
      '3: websocket has no case',
      ['WebSocket', 'WEBSOCKET', 'h2c, websocket', ', websocket,', 'h2c,,websocket'].map((Upgrade) =>
        from({ Upgrade }),
      ),
    ],
    [
      '4: Upgrade has no case, and may be one of several',
      ['keep-alive, uPGRADE', ', Upgrade,', 'keep-alive,,Upgrade'].map((Connection) => from({ Connection })),
    ],
    [
      '5: any 16 bytes are a key',
      [0, 0x7f, 0xff].map((byte) => key(Buffer.alloc(16, byte).toString('base64'))),
    ],
    ['7: without an Origin', [from()]],
    ['8: with subprotocols, in one header or in two', [protocols('a, b'), protocols(['a', 'b'])]],
    [
      '8: with empty elements, which a recipient MUST ignore (RFC 9110 section 5.6.1.2)',
      ['', ',', 'a,,b', ', a ,\t, b,'].map(protocols),
    ],
    [
      '9: with extensions',
      ['permessage-deflate; client_max_window_bits', '', ',', 'a,,b; c="d"', ' ,a ,\t,'].map((offered) =>
        from({ 'Sec-WebSocket-Extensions': offered }),
      ),
    ],
    ['10: with header fields that no one knows', [from({ 'X-Anything': 'at all', Cookie: 'a=b' })]],
  ])('%s', async (_, requests) => {
    for (const request of requests) {
      const { status, client } = await answerTo(request);
      expect(status, request).toBe(101);
      client.send(frame(2, 'through'));
      expect((await client.payload(7)).toString()).toBe('through');
    }
  });
});

test.each([';;', ';', 'a b', 'a;,b', ',;,', 'permessage-deflate; =1', 'ä', 'a;b="c d"'])(
  '4.2.1 9: extensions that are not a list of tokens MUST be answered with an HTTP error: %j',
  async (extensions) => {
    const { port } = await startTunnel();
    const client = requestTunnel(port, '/tunnel', { 'Sec-WebSocket-Extensions': extensions });
    expect((await client.answer()).status).toBe(400);
  },
);

test('4.2.1 9: offered extensions MUST NOT be accepted unless supported', async () => {
  const { port } = await startTunnel();
  const offer = 'permessage-deflate; client_max_window_bits; server_max_window_bits="10", foo';
  const client = requestTunnel(port, '/tunnel', { 'Sec-WebSocket-Extensions': offer });
  const answer = await client.answer();
  expect(answer.status).toBe(101);
  expect(answer.headers).not.toHaveProperty('sec-websocket-extensions');
});

describe('4.2.2 the server', () => {
  test('1: all further communication MUST run through the encrypted tunnel', async () => {
    const app = express();
    const backend = await startEcho();
    app.use('/tunnel', makeTunnel({ server: { port: backend.port } }));
    const { key: secret, cert } = certificate();
    const server = createServer({ key: secret, cert }, app);
    await listen(server);
    const socket = connect({ port: portOf(server), host: '127.0.0.1', ca: cert });
    onCleanup(() => socket.destroy());
    const client = await openRaw(socket);
    client.send(frame(2, 'secret'));
    expect((await client.payload(6)).toString()).toBe('secret');
    expect(socket.authorized).toBe(true);
  });

  test.each<[requirement: string, status: number, options: Options, headers: Headers]>([
    ['4 /origin/: refused', 403, {}, { Origin: 'http://evil.example' }],
    ['4 /origin/: not in the list', 403, { origins: ['https://a.b'] }, { Origin: 'https://a.c' }],
    ['4 /version/: unknown', 426, {}, { 'Sec-WebSocket-Version': '14' }],
    ['4 /resource name/: not available', 404, { server: () => undefined }, {}],
    ['2: not authenticated', 401, { authenticate: () => false }, {}],
  ])('%s: MUST send an HTTP error %i and abort the handshake', async (_, status, options, headers) => {
    const answer = await answerTo(from(headers), options);
    expect(answer.status).toBe(status);
    expect(answer.headers).not.toHaveProperty('sec-websocket-accept');
    await answer.client.ended();
  });

  test('5: MUST reply with 101, Upgrade, Connection and the hash of the key', async () => {
    const { header, headers } = await answerTo(key('dGhlIHNhbXBsZSBub25jZQ=='));
    expect(header).toMatch(/^HTTP\/1\.1 101 [^\r\n]*\r\n/);
    expect(headers.upgrade?.toLowerCase()).toBe('websocket');
    expect(headers.connection?.toLowerCase()).toBe('upgrade');
    expect(headers['sec-websocket-accept']).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  });

  test.each<
    [case_: string, offered: string | undefined, subprotocol: Options['subprotocol'], agreed?: string]
  >([
    ['one that was offered', 'chat, binary', undefined, 'binary'],
    ['the one that the app chooses', 'chat, other', () => 'other', 'other'],
    ['none where none suits', 'chat', undefined],
    ['none where the app wants none', 'binary', () => undefined],
    ['none where none was offered', undefined, undefined],
  ])(
    "4 /subprotocol/: MUST be one of the client's, or be left out: %s",
    async (_, offered, subprotocol, agreed) => {
      const request = from({ 'Sec-WebSocket-Protocol': offered });
      const { status, headers } = await answerTo(request, subprotocol ? { subprotocol } : {});
      expect(status).toBe(101);
      // An empty header would differ from a missing header.
      expect(headers['sec-websocket-protocol']).toBe(agreed);
    },
  );

  test('4 /subprotocol/: MUST NOT be one that the client did not offer, whatever the app returns', async () => {
    for (const chosen of ['other', '', 'chat, binary', 'CHAT']) {
      const { status, headers } = await answerTo(protocols('chat, binary'), { subprotocol: () => chosen });
      expect(status, chosen).not.toBe(101);
      expect(headers).not.toHaveProperty('sec-websocket-protocol');
    }
  });

  test.each([undefined, 'permessage-deflate', 'permessage-deflate; client_max_window_bits, x-mux'])(
    '4 /extensions/: extensions that the client did not list (%s) MUST NOT be listed',
    async (offered) => {
      const { status, headers } = await answerTo(from({ 'Sec-WebSocket-Extensions': offered }));
      expect(status).toBe(101);
      expect(headers).not.toHaveProperty('sec-websocket-extensions');
    },
  );

  test('once the server has replied, it may receive data, also data sent along with the handshake', async () => {
    const { port } = await startTunnel();
    const early = frame(2, 'early').toString('latin1');
    const client = new RawClient(port);
    client.send(Buffer.from(from() + early, 'latin1'));
    expect((await client.answer()).status).toBe(101);
    expect((await client.payload(5)).toString()).toBe('early');
  });
});

describe('4.4 an unsupported version MUST be answered with all supported versions', () => {
  test.each(['0', '7', '8', '12', '14', '25', '255', '013', '8, 13'])('%s: 13', async (asked) => {
    const { status, headers } = await answerTo(version(asked));
    expect({ status, supported: headers['sec-websocket-version'] }).toEqual({ status: 426, supported: '13' });
  });

  test('the client can repeat the handshake with the version of the answer', async () => {
    const { port } = await startTunnel();
    const { headers } = await new RawClient(port).send(version('25')).answer();
    const again = new RawClient(port).send(version(headers['sec-websocket-version']));
    expect((await again.answer()).status).toBe(101);
  });
});

function shout(name: string): string {
  return name.toUpperCase();
}

function reversed(request: string): string {
  const [start = '', ...lines] = request.trimEnd().split('\r\n');
  return `${[start, ...lines.reverse()].join('\r\n')}\r\n\r\n`;
}
