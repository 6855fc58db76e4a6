import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { openFlow, reaches, type OpenFlow } from '../support/observed-tunnel.js';
import { closeFrame, frame, handshake, RawClient, requestTunnel } from '../support/raw-client.js';
import { startTunnel } from '../support/servers.js';

// RFC 6455 section 7, as far as it binds a server. A SHOULD (7.1.1, 7.1.2, 7.1.7) is checked as well if the tunnel
// follows it.
//
// Not here, because only clients are bound: failure upon a lost connection and the pause before the next connection
// (7.2.1, 7.2.3), and 1010 (7.4.1). That 1015 MUST NOT be sent is checked for codes of the client and of the app.

const PING = 9;
const RESERVED = [1005, 1006, 1015];
const hex = (bytes: string) => Buffer.from(bytes.replaceAll(' ', ''), 'hex');
const range = (from: number, to: number, step: number) =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);

/** Ends both sides of the connection and returns the data of the `close` event. */
async function ended(flow: OpenFlow) {
  await flow.client.ended();
  flow.client.socket.end();
  flow.backend.end();
  return flow.over();
}

/** The codes of the answers to Closes with these codes, each on a separate connection. */
async function answersTo(codes: readonly number[]): Promise<(number | undefined)[]> {
  const { port } = await startTunnel();
  return Promise.all(
    codes.map(async (code) => {
      const client = requestTunnel(port);
      await client.answer();
      const close = await client.send(closeFrame(code)).close();
      await client.ended();
      return close?.code;
    }),
  );
}

describe('7.1 definitions', () => {
  test('7.1.1 the server closes the TCP connection first, cleanly', async () => {
    const flow = await openFlow();
    flow.client.send(closeFrame(1000), frame(2, 'trailing bytes are discarded'));
    expect((await flow.client.rest()).toString('hex')).toBe('880203e8');
    // The server ended without a reset: the client's side is still open.
    expect({ errored: flow.client.socket.errored, writable: flow.client.socket.writable }).toEqual({
      errored: null,
      writable: true,
    });
    expect(await ended(flow)).toMatchObject({ code: 1000, bytesIn: 0 });
    expect(flow.received().length).toBe(0);
  });

  test.each<[who: string, start: (flow: OpenFlow) => unknown, close: string]>([
    ['the backend ends', ({ backend }) => backend.end(), '8813 03e8 746865206261636b656e6420656e646564'],
    ['the app ends it', ({ tunnel }) => tunnel.end(() => true, 4000, 'why'), '8805 0fa0 776879'],
    ['the app ends it without reason', ({ tunnel }) => tunnel.end(() => true, 3000, ''), '8802 0bb8'],
  ])(
    '7.1.2 to start the closing handshake the server MUST send a Close with code and reason: %s',
    async (_, start, close) => {
      const flow = await openFlow();
      start(flow);
      const expected = hex(close);
      expect((await flow.client.take(expected.length)).toString('hex')).toBe(expected.toString('hex'));
      // The connection stays open until the client has answered.
      flow.client.send(closeFrame(1000));
      expect((await flow.client.rest()).length).toBe(0);
      await ended(flow);
    },
  );

  test("7.1.3 either side's Close starts the closing handshake, and no data follows a sent Close", async () => {
    const flow = await openFlow();
    flow.tunnel.end(() => true);
    flow.backend.write('too late');
    expect((await flow.client.frame())?.opcode).toBe(8);
    flow.client.send(closeFrame(1008));
    expect((await flow.client.rest()).length).toBe(0);
    await ended(flow);
  });

  test.each<[what: string, end: (flow: OpenFlow) => unknown, code: number, reason: string | RegExp]>([
    ['the code of the first Close', ({ client }) => client.send(closeFrame(4321, 'über')), 4321, 'über'],
    ['1005 where it has none', ({ client }) => client.send(closeFrame()), 1005, ''],
    ['1006 where none came', ({ client }) => client.socket.end(), 1006, /without a Close/],
    [
      '1006 where the connection is lost',
      ({ client }) => client.socket.resetAndDestroy(),
      1006,
      /connection/,
    ],
  ])('7.1.5 the close code is %s, 7.1.6 the close reason arrives', async (_, end, code, reason) => {
    const flow = await openFlow();
    end(flow);
    const info = await ended(flow);
    expect(info.code).toBe(code);
    expect(info.reason).toMatch(reason);
  });

  test.each<[failure: string, wrong: Buffer, code: number]>([
    ['a protocol error', frame(3, 'x'), 1002],
    ['text that is not UTF-8', frame(1, hex('ff')), 1007],
    ['a bad Close', closeFrame(999), 1002],
  ])('7.1.7 to fail the connection the server MUST send a Close and close it: %s', async (_, wrong, code) => {
    const flow = await openFlow();
    flow.client.send(wrong);
    expect((await flow.client.close())?.code).toBe(code);
    // The client sends no Close, and the server does not wait for one.
    expect((await flow.client.rest()).length).toBe(0);
    expect(await ended(flow)).toMatchObject({ code });
  });

  test.each<[how: string, together: boolean]>([
    ['in the same chunk', true],
    ['later', false],
  ])('7.1.7 the server MUST NOT process data after a failure, not even a Close: %s', async (_, together) => {
    const flow = await openFlow();
    const behind = [frame(2, 'data'), frame(PING, 'ping'), closeFrame(4000)];
    flow.client.send(frame(2, 'good'), frame(2, 'bad', { rsv: 4 }), ...(together ? behind : []));
    expect((await flow.client.close())?.code).toBe(1002);
    if (!together) flow.client.send(...behind);
    expect((await flow.client.rest()).length).toBe(0);
    expect(await ended(flow)).toMatchObject({ code: 1002, bytesIn: 4 });
    expect(flow.received().toString()).toBe('good');
  });
});

describe('7.2 abnormal closures', () => {
  test('7.2.2 to abort during the opening handshake the server MUST close the connection', async () => {
    const { port } = await startTunnel({ authenticate: () => false });
    const client = new RawClient(port).send(handshake('/tunnel'), frame(PING));
    expect((await client.answer()).status).toBe(401);
    expect((await client.rest()).includes(hex('8a00'))).toBe(false);
    client.socket.end();
    await client.closed();
  });
});

describe('7.3 normal closure', () => {
  test('the server closes by a closing handshake, after all data to be sent', async () => {
    const flow = await openFlow();
    flow.backend.end('to the last byte');
    expect((await flow.client.payload(16)).toString()).toBe('to the last byte');
    expect((await flow.client.close())?.code).toBe(1000);
    flow.client.send(frame(2, 'still heard'), closeFrame(1000));
    await once(flow.backend, 'end');
    await reaches(flow, 'still heard');
    expect(await ended(flow)).toMatchObject({ code: 1000 });
  });
});

describe('7.4.1 1005, 1006 and 1015 MUST NOT be set as a code in a Close', () => {
  test('from the client: each code is a protocol error', async () => {
    expect(await answersTo(RESERVED)).toEqual(RESERVED.map(() => 1002));
  });

  test('from the server: a Close without a code is answered by a Close without a code', async () => {
    const flow = await openFlow();
    flow.client.send(closeFrame());
    expect((await flow.client.rest()).toString('hex')).toBe('8800');
    expect((await ended(flow)).code).toBe(1005);
  });

  test('from the server: without a received Close no Close is sent', async () => {
    const flow = await openFlow();
    flow.client.socket.end();
    expect((await flow.client.rest()).length).toBe(0);
    expect((await ended(flow)).code).toBe(1006);
  });

  test.each(RESERVED)('from the app: %i is refused', async (code) => {
    const flow = await openFlow();
    expect(() => flow.tunnel.end(() => true, code)).toThrow();
    flow.client.send(frame(2, 'still open'));
    await reaches(flow, 'still open');
  });
});

describe('7.4.2 reserved ranges', () => {
  test('codes 0-999 are not accepted', async () => {
    const codes = [0, 1, ...range(99, 999, 100)];
    expect(await answersTo(codes)).toEqual(codes.map(() => 1002));
  });

  test('codes 1000-2999 are reserved: only registered codes are accepted', async () => {
    const unknown = [1004, ...RESERVED, 1016, 1100, 1999, 2000, 2500, 2999];
    const known = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
    expect(await answersTo(unknown)).toEqual(unknown.map(() => 1002));
    expect(await answersTo(known)).toEqual(known);
  });

  test('codes 3000-3999 and 4000-4999 are for libraries and apps: all are accepted', async () => {
    const codes = [...range(3000, 4999, 97), 3999, 4000, 4999];
    expect(await answersTo(codes)).toEqual(codes);
  });

  test('codes above 4999 are not accepted', async () => {
    const codes = [5000, 9999, 32768, 65535];
    expect(await answersTo(codes)).toEqual(codes.map(() => 1002));
  });
});
