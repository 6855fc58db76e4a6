import type { Case, Headers, Side } from '../run.js';
import { BINARY, echo, seen, toAll } from '../run.js';
import { since } from '../../support/lighttpd-version.js';
import { frame, handshake } from '../../support/raw-client.js';
import { sleep } from '../../support/wait.js';

/** The status of each of several requests. */
async function statuses(side: Side, requests: Record<string, string>): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  for (const [name, bytes] of Object.entries(requests)) all[name] = await side.status(bytes);
  return all;
}

const withHeaders = (requests: Record<string, Headers>) =>
  Object.fromEntries(Object.entries(requests).map(([name, headers]) => [name, handshake('/x', headers)]));

/** The subprotocol of the 101 response, and the type of the frames with the echo. */
async function protocol(side: Side, offered?: string | string[]) {
  const client = side.raw(handshake('/', { 'Sec-WebSocket-Protocol': offered }), frame(2, 'x'));
  const { headers } = await client.answer();
  return `${headers['sec-websocket-protocol'] ?? 'none'}, ${seen(await client.frame())}`;
}

const text = {
  conf: ({ a }) => toAll(a!.conf()),
  options: ({ a }) => ({ server: a!.host, frameType: 'text' }),
} as Pick<Case, 'conf' | 'options'>;

export const HANDSHAKES: Case[] = [
  {
    name: 'a good handshake: 101, its accept key, no extension',
    observe: async (side) => {
      const client = side.raw(handshake('/any', { 'Sec-WebSocket-Extensions': 'permessage-deflate' }));
      const { status, headers } = await client.answer();
      return {
        status,
        upgrade: headers.upgrade?.toLowerCase(),
        connection: headers.connection?.toLowerCase(),
        accept: headers['sec-websocket-accept'],
        extensions: headers['sec-websocket-extensions'],
      };
    },
  },
  {
    name: 'lists and letter case in Upgrade and Connection',
    observe: (side) =>
      statuses(
        side,
        withHeaders({
          list: { Upgrade: 'other, websocket' },
          capitals: { Upgrade: 'WebSocket', Connection: 'UPGRADE' },
          connectionList: { Connection: 'keep-alive, Upgrade' },
        }),
      ),
  },
  {
    name: 'empty elements in lists',
    observe: (side) =>
      statuses(
        side,
        withHeaders({
          'no subprotocol': { 'Sec-WebSocket-Protocol': '' },
          'a comma alone': { 'Sec-WebSocket-Protocol': ',' },
          'a gap': { 'Sec-WebSocket-Protocol': 'chat,,other' },
          'no extension': { 'Sec-WebSocket-Extensions': '' },
          'a gap between extensions': { 'Sec-WebSocket-Extensions': 'x,,y' },
          'in Connection': { Connection: ', Upgrade,' },
          'in Upgrade': { Upgrade: ', websocket,' },
        }),
      ),
  },
  {
    name: 'Upgrade names h2c as well',
    observe: (side) => side.status(handshake('/x', { Upgrade: 'h2c, websocket' })),
    differs: { subject: 'h2c in `Upgrade`', lighttpd: 404, ours: 101 },
  },
  {
    name: "a request without the upgrade is not the tunnel's",
    observe: (side) =>
      statuses(
        side,
        withHeaders({
          page: { Upgrade: undefined, Connection: undefined },
          other: { Upgrade: 'h2c' },
          longer: { Upgrade: 'websockets' },
        }),
      ),
  },
  {
    name: 'bad handshakes that both refuse',
    observe: (side) =>
      statuses(side, {
        'HTTP/1.0': handshake('/x').replace('HTTP/1.1', 'HTTP/1.0'),
        ...withHeaders({
          'no key': { 'Sec-WebSocket-Key': undefined },
          'empty key': { 'Sec-WebSocket-Key': '' },
          'no host': { Host: undefined },
        }),
      }),
  },
  {
    name: 'an upgrade that is no handshake',
    observe: (side) =>
      statuses(side, {
        POST: handshake('/x', { 'Content-Length': '0' }, 'POST'),
        'Connection without Upgrade': handshake('/x', { Connection: 'keep-alive' }),
      }),
    differs: {
      subject: 'an upgrade that is no handshake',
      lighttpd: { POST: 404, 'Connection without Upgrade': 404 },
      ours: { POST: 400, 'Connection without Upgrade': 400 },
    },
  },
  {
    name: 'versions other than 13',
    observe: (side) =>
      statuses(
        side,
        Object.fromEntries(
          ['8', '14', '13, 8', 'abc'].map((version) => [
            version,
            handshake('/x', { 'Sec-WebSocket-Version': version }),
          ]),
        ),
      ),
    differs: {
      subject: '`Sec-WebSocket-Version`',
      lighttpd: since({
        '1.4.69': { '8': 101, '14': 101, '13, 8': 101, abc: 400 },
        '1.4.83': { '8': 400, '14': 400, '13, 8': 400, abc: 400 },
      }),
      ours: { '8': 426, '14': 426, '13, 8': 426, abc: 426 },
    },
  },
  {
    name: 'a missing version, with bytes behind it',
    observe: (side) =>
      side.status(`${handshake('/x', { 'Sec-WebSocket-Version': undefined })}a frame too long`),
  },
  {
    name: 'keys that are not 16 bytes',
    observe: (side) =>
      statuses(
        side,
        withHeaders({
          short: { 'Sec-WebSocket-Key': 'c2hvcnQ=' },
          'no base64': { 'Sec-WebSocket-Key': '!!!!!!!!!!!!!!!!!!!!!!==' },
        }),
      ),
    differs: {
      subject: '`Sec-WebSocket-Key`',
      lighttpd: { short: 101, 'no base64': 101 },
      ours: { short: 400, 'no base64': 400 },
    },
  },
  {
    name: 'frames right behind the handshake, in the same write',
    observe: async (side) => {
      const client = side.raw(handshake('/'), frame(2, 'early '), frame(2, 'bytes'));
      await client.answer();
      return (await client.payload(11)).toString();
    },
  },
  {
    name: 'the handshake in two pieces, frames behind the second',
    observe: async (side) => {
      const bytes = handshake('/');
      const client = side.raw(bytes.slice(0, 40));
      await sleep(20);
      client.send(bytes.slice(40), frame(2, 'early'));
      await client.answer();
      return (await client.payload(5)).toString();
    },
  },
  {
    name: 'subprotocols under text frames: binary is taken and forces binary frames',
    ...text,
    observe: async (side) => ({
      none: await protocol(side),
      binary: await protocol(side, 'binary'),
      second: await protocol(side, 'chat, binary'),
      inTwoHeaders: await protocol(side, ['chat', 'binary']),
      part: await protocol(side, 'binary2'),
    }),
  },
  {
    name: 'subprotocols under text frames: base64 and unknown ones',
    ...text,
    observe: async (side) => ({
      base64: await protocol(side, 'base64'),
      unknown: await protocol(side, 'chat'),
      capitals: await protocol(side, 'BINARY'),
    }),
    differs: {
      subject: 'subprotocols',
      lighttpd: { base64: 'base64, text x', unknown: 'none, text x', capitals: 'binary, binary x' },
      ours: { base64: 'none, text x', unknown: 'none, text x', capitals: 'none, text x' },
    },
  },
  {
    name: 'subprotocols under binary frames: binary is offered',
    observe: async (side) => ({
      binary: await protocol(side, 'binary'),
      both: await protocol(side, 'base64, binary'),
    }),
    differs: {
      subject: 'subprotocols',
      lighttpd: since({
        '1.4.69': { binary: 'binary, binary x', both: 'binary, binary x' },
        '1.4.73': { binary: 'none, binary x', both: 'none, binary x' },
        '1.4.77': { binary: 'binary, binary x', both: 'binary, binary x' },
      }),
      ours: { binary: 'binary, binary x', both: 'binary, binary x' },
    },
  },
  {
    name: 'subprotocols under binary frames: binary is not offered',
    observe: async (side) => ({
      none: await protocol(side),
      unknown: await protocol(side, 'chat'),
      base64: await protocol(side, 'base64'),
    }),
    differs: {
      subject: 'subprotocols',
      lighttpd: since({
        '1.4.69': { none: 'binary, binary x', unknown: 'binary, binary x', base64: 'binary, binary x' },
        '1.4.73': { none: 'none, binary x', unknown: 'none, binary x', base64: 'none, binary x' },
        '1.4.83': { none: 'none, binary x', unknown: 'none, binary x', base64: 'base64, binary x' },
      }),
      ours: { none: 'none, binary x', unknown: 'none, binary x', base64: 'none, binary x' },
    },
  },
  {
    name: 'frame-type: the default',
    conf: ({ a }) => toAll(a!.conf()),
    options: ({ a }) => ({ server: a!.host }),
    observe: (side) => protocol(side),
    differs: { subject: 'frame type, by default', lighttpd: 'none, text x', ours: 'none, binary x' },
  },
  {
    name: 'frame-type: a value in other letter case',
    backends: { a: echo },
    conf: ({ a }) => `${toAll(a!.conf())}\nwstunnel.frame-type = "Binary"`,
    observe: async (side) => (await protocol(side, 'binary')).split(' ')[1],
  },
  {
    name: 'origins: a list, on a dot boundary',
    ...originList(),
    observe: (side) =>
      statuses(
        side,
        withHeaders({
          exact: { Origin: 'https://example.com' },
          subdomain: { Origin: 'https://desk.example.com' },
          deeper: { Origin: 'https://a.b.example.com' },
          'another that ends alike': { Origin: 'https://notexample.com' },
          'as the beginning': { Origin: 'https://example.com.evil.test' },
          'of the second': { Origin: 'https://a.example.org' },
          null: { Origin: 'null' },
        }),
      ),
  },
  {
    name: 'origins: a list and no Origin',
    ...originList(),
    observe: (side) => statuses(side, withHeaders({ none: {}, empty: { Origin: '' } })),
  },
  {
    name: 'origins: an entry with its scheme',
    conf: ({ a }) => `${toAll(a!.conf())}\nwstunnel.origins = ("https://example.com")`,
    options: ({ a }) => ({ server: a!.host, origins: ['https://example.com'] }),
    observe: (side) =>
      statuses(
        side,
        withHeaders({
          exact: { Origin: 'https://example.com' },
          'other scheme': { Origin: 'http://example.com' },
          subdomain: { Origin: 'https://a.example.com' },
          capitals: { Origin: 'https://EXAMPLE.com' },
          port: { Origin: 'https://example.com:8443' },
          'default port': { Origin: 'https://example.com:443' },
          null: { Origin: 'null' },
        }),
      ),
    differs: {
      subject: 'origins, in a list',
      lighttpd: {
        exact: 101,
        'other scheme': 403,
        subdomain: 403,
        capitals: 403,
        port: 403,
        'default port': 403,
        null: 403,
      },
      ours: {
        exact: 101,
        'other scheme': 403,
        subdomain: 403,
        capitals: 101,
        port: 403,
        'default port': 101,
        null: 403,
      },
    },
  },
  {
    name: 'origins: a bare host as an entry, and what only ends like it',
    conf: ({ a }) => `${toAll(a!.conf())}\nwstunnel.origins = ("example.com")`,
    options: ({ a }) => ({ server: a!.host, origins: ['example.com'] }),
    observe: (side) =>
      statuses(
        side,
        withHeaders({
          exact: { Origin: 'https://example.com' },
          subdomain: { Origin: 'https://a.example.com' },
          'no origin at all': { Origin: 'x.example.com' },
          'behind a user': { Origin: 'https://evil.test?.example.com' },
        }),
      ),
    differs: {
      subject: 'origins, in a list',
      lighttpd: { exact: 403, subdomain: 101, 'no origin at all': 101, 'behind a user': 101 },
      ours: { exact: 101, subdomain: 403, 'no origin at all': 403, 'behind a user': 403 },
    },
  },
  {
    name: 'origins: none are given',
    observe: (side) =>
      statuses(
        side,
        withHeaders({
          none: {},
          own: { Host: 'desk.test', Origin: 'https://desk.test' },
          foreign: { Host: 'desk.test', Origin: 'https://evil.test' },
        }),
      ),
    differs: {
      subject: 'origins, by default',
      lighttpd: { none: 101, own: 101, foreign: 101 },
      ours: { none: 101, own: 101, foreign: 403 },
    },
  },
  {
    name: 'origins: all, said so',
    options: ({ a }) => ({ server: a!.host, origins: '*' }),
    observe: (side) =>
      statuses(side, withHeaders({ none: {}, foreign: { Host: 'desk.test', Origin: 'https://evil.test' } })),
  },
  {
    name: 'origins: an empty entry is refused at the start',
    observe: async (side) =>
      side.starts({
        conf: ({ a }) => `${toAll(a!.conf())}\nwstunnel.origins = ("")`,
        options: ({ a }) => ({ server: a!.host, origins: [''] }),
      }),
  },
  {
    name: 'debug: 0 to 65535',
    observe: async (side) => {
      const all: boolean[] = [];
      for (const debug of [0, 1, 4, 65535])
        all.push(
          await side.starts({
            conf: ({ a }) => `${toAll(a!.conf())}\nwstunnel.debug = ${debug}`,
            options: ({ a }) => ({ server: a!.host, debug }),
          }),
        );
      return all;
    },
  },
];

function originList(): Pick<Case, 'conf' | 'options'> {
  return {
    conf: ({ a }) =>
      `${toAll(a!.conf())}\n${BINARY}\nwstunnel.origins = ("https://example.com", "example.com", "example.org")`,
    options: ({ a }) => ({
      server: a!.host,
      origins: ['example.com', '*.example.com', 'example.org', '*.example.org'],
    }),
  };
}
