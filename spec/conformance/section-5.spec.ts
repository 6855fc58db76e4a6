import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { check, overSockets, startSite, type Case } from './run.js';
import { openFlow } from '../support/observed-tunnel.js';
import { closeFrame, frame, requestTunnel } from '../support/raw-client.js';
import { startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

// RFC 6455 section 5, as far as it binds a server without extensions.
//
// Not here: that a client MUST mask, MUST close on a masked frame, MUST pick fresh keys of good entropy (5.1, 5.3) and
// MUST NOT show a reason to its user (5.5.1); that an extension MUST specify its data (5.2); that an intermediary MUST
// NOT change fragmentation (5.4), because the tunnel is an endpoint of the WebSocket and not an intermediary.

const PING = 9;
const PONG = 10;
const CONTROL = [8, PING, PONG];
const hex = (bytes: string) => Buffer.from(bytes.replaceAll(' ', ''), 'hex');
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const open = (opcode: number, payload: string) => frame(opcode, payload, { final: false });
const good = frame(2, 'good');

type Stream = Omit<Case, 'name'>;

/** A stream that fails after a valid frame; the PING after the failure is not answered. */
const fails = (...wrong: Buffer[]): Stream => ({
  frames: [good, ...wrong, frame(PING)],
  data: 'good',
  code: 1002,
});
const carries = (data: string | Buffer, ...frames: Buffer[]): Stream => ({ frames, data });

const random = Array.from({ length: 50 }, (_, i) => ({ payload: randomBytes(i * 7), mask: randomBytes(4) }));
const pings = ['', 'Hello', '\xff\x00', 'x'.repeat(125)];

describe('frames received', () => {
  test.each<[requirement: string, streams: Stream[]]>([
    [
      '5.1 the server MUST close the connection upon a frame that is not masked',
      [1, 2, ...CONTROL].map((opcode) => fails(frame(opcode, 'x', { mask: null }))),
    ],
    [
      '5.2 RSV1, RSV2, RSV3 MUST be 0, or the endpoint MUST fail the connection',
      range(1, 7).flatMap((rsv) => [1, 2, ...CONTROL].map((opcode) => fails(frame(opcode, '', { rsv })))),
    ],
    [
      '5.2 upon an unknown opcode the endpoint MUST fail the connection',
      [...range(3, 7), ...range(11, 15)].flatMap((opcode) => [
        fails(frame(opcode, 'x')),
        fails(frame(opcode, '', { final: false })),
      ]),
    ],
    [
      '5.2 the most significant bit of a 64-bit length MUST be 0',
      [fails(hex('82ff 8000000000000000 00000000'))],
    ],
    [
      '5.2 the minimal number of bytes MUST be used to encode the length',
      [
        ...['0000', '0001', '007c', '007d'].map((length) => fails(hex(`82fe ${length} 00000000`))),
        ...['0000', '007d', '007e', 'ffff'].map((length) =>
          fails(hex(`82ff 000000000000${length} 00000000`)),
        ),
      ],
    ],
    [
      '5.2 lengths are read in network byte order, at each of their borders',
      [0, 1, 125, 126, 127, 255, 256, 258, 65535, 65536, 66051].map((length) =>
        carries(Buffer.alloc(length, 'a'), frame(2, Buffer.alloc(length, 'a'))),
      ),
    ],
    [
      '5.3 octet i is masked with octet i modulo 4 of the key, whatever the key',
      [
        carries(
          Buffer.concat(random.map(({ payload }) => payload)),
          ...random.map(({ payload, mask }) => frame(2, payload, { mask })),
        ),
        carries('no mask to speak of', frame(2, 'no mask to speak of', { mask: Buffer.alloc(4) })),
      ],
    ],
    [
      '5.4 MUST support receiving both fragmented and unfragmented messages',
      [1, 2].map((opcode) =>
        carries('one two three', open(opcode, 'one '), open(0, 'two '), frame(0, 'thr'), frame(opcode, 'ee')),
      ),
    ],
    [
      '5.4 fragments MUST be delivered in the order sent',
      [
        carries(
          range(0, 99).join(),
          open(2, ''),
          ...range(0, 99).map((i) => open(0, i === 0 ? '0' : `,${i}`)),
        ),
      ],
    ],
    [
      '5.4 fragments of one message MUST NOT be interleaved with another',
      [1, 2].map((opcode) => ({ ...fails(open(1, '!'), frame(opcode, 'x')), data: 'good!' })),
    ],
    ['5.4 a continuation continues a message', [fails(frame(0, 'x')), fails(open(0, 'x'))]],
    [
      '5.4 MUST be capable of handling control frames in the middle of a fragmented message',
      [
        {
          frames: [
            open(1, 'a'),
            frame(PING, 'p'),
            frame(PONG, 'q'),
            open(0, 'b'),
            frame(PING, 'r'),
            frame(0, 'c'),
          ],
          data: 'abc',
          pongs: ['p', 'r'],
        },
        { frames: [open(2, 'a'), closeFrame(1000)], data: 'a', code: 1000 },
      ],
    ],
    [
      '5.4 the type of all fragments is that of the first',
      [
        carries(hex('61ff'), open(2, 'a'), frame(0, hex('ff'))),
        { frames: [open(1, 'a'), frame(0, hex('ff'))], data: 'a', code: 1007 },
      ],
    ],
    [
      '5.5 control frames MUST have a payload of 125 bytes or less',
      CONTROL.flatMap((opcode) =>
        [126, 127, 65536].map((length) => fails(frame(opcode, Buffer.alloc(length, 0x03)))),
      ),
    ],
    [
      '5.5 control frames MUST NOT be fragmented',
      CONTROL.flatMap((opcode) => [
        fails(frame(opcode, '', { final: false })),
        fails(open(opcode, 'x'), frame(0, 'y')),
      ]),
    ],
    [
      '5.5.1 the body of a Close MUST begin with a 2-byte code, in network byte order',
      [
        fails(frame(8, 'x')),
        { frames: [frame(8, hex('0fa1'))], code: 4001 },
        { frames: [frame(8)], code: 1005 },
      ],
    ],
    [
      '5.5.2 a PING MUST be answered with a PONG of the same data (5.5.3)',
      [{ frames: pings.map((payload) => frame(PING, Buffer.from(payload, 'latin1'))), pongs: pings }],
    ],
    [
      '5.5.2 a PING MUST NOT be answered once a Close was received',
      [
        {
          frames: [frame(PING, 'before'), closeFrame(1000), frame(PING, 'behind')],
          pongs: ['before'],
          code: 1000,
        },
      ],
    ],
    ['5.5.3 an unsolicited PONG is not answered', [{ frames: [frame(PONG), frame(PONG, 'x')] }]],
    [
      '5.6 a whole text message MUST be UTF-8, a single frame need not',
      [
        carries('€', open(1, ''), frame(0, hex('e2'), { final: false }), frame(0, hex('82ac'))),
        { frames: [good, frame(1, hex('ff')), frame(PING)], data: 'good', code: 1007 },
        { frames: [good, frame(1, hex('e282')), frame(1, hex('ac'))], data: hex('676f6f64e282'), code: 1007 },
      ],
    ],
    ['5.6 binary is arbitrary', [carries(hex('ff fe 00 c3 28'), frame(2, hex('ff fe 00 c3 28')))]],
    [
      '5.7 the examples of masked frames',
      [
        carries('Hello', hex('81 85 37fa213d 7f9f4d5158')),
        { frames: [hex('8a 85 37fa213d 7f9f4d5158')] },
        carries(Buffer.alloc(256, 1), frame(2, Buffer.alloc(256, 1))),
        carries(Buffer.alloc(65536, 1), frame(2, Buffer.alloc(65536, 1))),
      ],
    ],
  ])('%s', async (name, streams) => {
    const site = await startSite();
    for (const stream of streams) {
      const input = Buffer.concat(stream.frames);
      check({ name, ...stream }, await overSockets(site, [input]), input.toString('hex', 0, 40));
    }
  });

  test('5.8 extensions MUST be negotiated: bits of an extension that was offered and not accepted are an error', async () => {
    const { client } = await openFlow({}, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
    client.send(frame(1, hex('f248cdc9c90700'), { rsv: 4 }));
    expect((await client.close())?.code).toBe(1002);
    await client.ended();
  });
});

describe('frames sent', () => {
  test('5.1 the server MUST NOT mask, 5.2 it sets no reserved bit, 5.4 it sends whole messages', async () => {
    const { client, backend } = await openFlow({ pingInterval: 0.02 });
    expect((await client.take(2)).toString('hex')).toBe('8900');
    client.send(frame(PING, 'p'));
    backend.write('data');
    const starts = new Set<string>();
    while (starts.size < 3) {
      const start = await client.take(2);
      expect(start.length).toBe(2);
      expect(start[1]! & 0x80).toBe(0);
      await client.take(start[1]!);
      starts.add(start.toString('hex'));
    }
    expect([...starts].sort()).toEqual(['8204', '8900', '8a01']);
    client.send(closeFrame(1000));
    expect(await client.close()).toEqual({ code: 1000, reason: '' });
  });

  test('5.2 the minimal number of bytes MUST be used to encode the length', async () => {
    const { client, backend } = await openFlow();
    for (const length of [1, 125, 126, 127, 65535, 65536, 200_000]) {
      backend.write(Buffer.alloc(length));
      for (let have = 0; have < length;) {
        const [, short] = await client.take(2);
        const long = short === 126 ? await client.take(2) : short === 127 ? await client.take(8) : undefined;
        const said = long ? Number(`0x${long.toString('hex')}`) : short!;
        expect(short).toBe(said < 126 ? said : said < 65536 ? 126 : 127);
        have += (await client.take(said)).length;
      }
    }
  });

  test('5.5 control frames MUST have a payload of 125 bytes or less', async () => {
    const body = 'é'.repeat(400);
    const { port } = await startTunnel({
      authenticate: () => ({ status: 429, body }),
      refuseWith: 'close',
    });
    const client = requestTunnel(port);
    await client.answer();
    const { payload } = (await client.frame())!;
    expect(payload.length).toBeLessThanOrEqual(125);
    expect(isUtf8(payload.subarray(2))).toBe(true);
  });

  test('5.5.1 no data MUST follow a Close, and the answer to a Close MUST close the TCP connection', async () => {
    const { client, backend } = await openFlow();
    client.send(closeFrame(1000));
    await once(backend, 'end');
    backend.write('too late');
    // The client does not end the connection: the server ends it at once.
    expect((await client.rest()).toString('hex')).toBe('880203e8');
  });

  test('5.5.1 no second Close is sent after both sides have sent one', async () => {
    const { client, tunnel, backend } = await openFlow();
    tunnel.end(() => true);
    expect((await client.close())?.code).toBe(1008);
    client.send(frame(PING), closeFrame(1000));
    expect((await client.rest()).length).toBe(0);
    backend.end();
  });

  test('5.5.2 a PING is answered in a separate frame while data goes both ways', async () => {
    const flow = await openFlow();
    const { client, backend } = flow;
    const data = Buffer.alloc(1_000_000, 'down');
    backend.write(data);
    client.send(frame(2, Buffer.alloc(300_000)), frame(PING, 'in between'), frame(2, 'end'));
    const parts: Buffer[] = [];
    let pong: Buffer | undefined;
    while (!pong || Buffer.concat(parts).length < data.length) {
      const next = (await client.frame())!;
      if (next.opcode === PONG) pong = next.payload;
      else parts.push(next.payload);
    }
    expect(pong.toString()).toBe('in between');
    expect(Buffer.concat(parts).equals(data)).toBe(true);
    await until(() => flow.received().length === 300_003);
  });

  test('5.6 text MUST be UTF-8, frame by frame', async () => {
    const { client, backend } = await openFlow({ frameType: 'text' });
    const all = Buffer.from('aé€🐘'.repeat(20_000));
    backend.write(all);
    const parts: Buffer[] = [];
    while (Buffer.concat(parts).length < all.length) {
      const { opcode, final, payload } = (await client.frame())!;
      expect({ opcode, final, utf8: isUtf8(payload) }).toEqual({ opcode: 1, final: true, utf8: true });
      parts.push(payload);
    }
    expect(Buffer.concat(parts).equals(all)).toBe(true);
  });

  test('5.7 the examples of unmasked frames', async () => {
    const { client, backend } = await openFlow();
    backend.write(Buffer.alloc(256, 1));
    expect((await client.take(260)).subarray(0, 4).toString('hex')).toBe('827e0100');
    client.send(frame(PING, 'Hello'));
    expect((await client.take(7)).toString('hex')).toBe('8a0548656c6c6f');
    const text = await openFlow({ frameType: 'text' });
    text.backend.write('Hello');
    expect((await text.client.take(7)).toString('hex')).toBe('810548656c6c6f');
  });
});
