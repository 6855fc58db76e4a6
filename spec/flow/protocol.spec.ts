import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { ClosedInfo } from '../../src/index.js';
import { onWrite, openFlow, reaches } from '../support/observed-tunnel.js';
import { closeFrame, frame, openRaw } from '../support/raw-client.js';
import { startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const PING = 9;
const PONG = 10;

describe('a protocol error', () => {
  test.each<[name: string, code: number, stream: Buffer]>([
    ['reserved bits', 1002, frame(2, 'x', { rsv: 4 })],
    ['an unmasked frame', 1002, frame(2, 'x', { mask: null })],
    ['a continuation of nothing', 1002, frame(0, 'x')],
    ['a fragmented PING', 1002, frame(PING, 'x', { final: false })],
    ['a length not in its shortest form', 1002, hex('82 fe 0001 00000000 61')],
    ['a close code that may not be sent', 1002, closeFrame(1005)],
    ['text that is not UTF-8', 1007, frame(1, hex('61 ff'))],
    ['a close reason that is not UTF-8', 1007, frame(8, hex('03e8 ff'))],
    ['a frame above 2^53 - 1 bytes', 1009, hex('82 ff 0020000000000000 00000000')],
  ])('%s: a Close is sent, both sides are freed, and other tunnels go on', async (_, code, stream) => {
    const flow = await openFlow();
    const other = await openRaw(flow.port);
    const backendEnded = once(flow.backend, 'end');
    flow.client.send(frame(2, 'good '), stream, frame(2, 'lost'));
    const close = await flow.client.close();
    expect(close?.code).toBe(code);
    expect(close?.reason).not.toBe('');
    await flow.client.ended();
    await backendEnded;
    // Bytes before the wrong byte are delivered, however the stream is cut into chunks.
    expect(flow.received().toString()).toBe(code === 1007 && stream[0] === 0x81 ? 'good a' : 'good ');
    flow.backend.end();
    flow.client.socket.end();
    await once(flow.tunnel, 'close');
    expect(flow.tunnel.stats()).toMatchObject({ open: 1, closed: { [code]: 1 }, backends: [{ load: 1 }] });
    other.send(frame(2, 'still there'));
    await reaches(flow, 'still there');
  });

  test('the Close arrives without a reset although the client keeps sending', async () => {
    const flow = await openFlow();
    // The write exceeds the kernel's buffers: its callback runs only if the tunnel reads on.
    flow.client.socket.write(frame(3, 'x'));
    await new Promise((sent) => flow.client.socket.write(Buffer.alloc(32_000_000, 'rest'), sent));
    expect((await flow.client.close())?.code).toBe(1002);
    await flow.client.ended();
    flow.backend.end();
    flow.client.socket.end();
    expect(await flow.over()).toMatchObject({ code: 1002, reason: 'unknown opcode', bytesIn: 0 });
    expect(flow.received().length).toBe(0);
  });
});

describe('PING', () => {
  test('each PING is answered with its payload', async () => {
    const { client } = await openFlow();
    client.send(frame(PING, ''), frame(PING, 'abc'), frame(PING, Buffer.alloc(125, 'x')));
    for (const payload of ['', 'abc', 'x'.repeat(125)])
      expect(await client.frame()).toEqual({ final: true, opcode: PONG, payload: Buffer.from(payload) });
  });

  test('a PING between the fragments of a message is answered', async () => {
    const flow = await openFlow();
    flow.client.send(frame(2, 'one ', { final: false }), frame(PING, 'p'));
    expect(await flow.client.frame()).toMatchObject({ opcode: PONG, payload: Buffer.from('p') });
    flow.client.send(frame(0, 'two ', { final: false }), frame(PING, 'q'), frame(0, 'three'));
    expect(await flow.client.frame()).toMatchObject({ opcode: PONG, payload: Buffer.from('q') });
    await reaches(flow, 'one two three');
  });

  test('a PING within a message whose fragment comes in halves is answered', async () => {
    const flow = await openFlow();
    const [first, second] = [frame(2, Buffer.alloc(200_000, 'a'), { final: false }), frame(0, 'end')];
    flow.client.send(first.subarray(0, 100_000));
    await until(() => flow.received().length === 100_000 - 14);
    flow.client.send(first.subarray(100_000), frame(PING, 'halves'), second);
    expect(await flow.client.frame()).toMatchObject({ opcode: PONG, payload: Buffer.from('halves') });
    await until(() => flow.received().length === 200_003);
  });

  test('an unsolicited PONG is ignored', async () => {
    const flow = await openFlow();
    flow.client.send(frame(PONG, 'here I am'), frame(2, 'x'));
    await reaches(flow, 'x');
  });
});

describe('bytes to the backend', () => {
  test('are sent before their frame is complete', async () => {
    const flow = await openFlow();
    const big = frame(2, 'the beginning', { length: 2 ** 40 });
    flow.client.send(big);
    await reaches(flow, 'the beginning');
    // The mask continues at byte 13 of the payload.
    flow.client.send(Buffer.from('!').map((byte) => byte ^ 0x22));
    await reaches(flow, 'the beginning!');
  });

  test('of a thousand tiny frames are sent in few writes', async () => {
    const flow = await openFlow();
    let writes = 0;
    onWrite(flow.toBackend, () => writes++);
    const frames = Array.from({ length: 1000 }, (_, i) => frame(2, String(i).padStart(4, '0')));
    flow.client.send(...frames);
    await until(() => flow.received().length === 4000);
    expect(flow.received().toString()).toBe(
      Array.from({ length: 1000 }, (_, i) => String(i).padStart(4, '0')).join(''),
    );
    // 10 kB arrive in one chunk, or in two chunks if loopback splits the bytes.
    expect(writes).toBeGreaterThan(0);
    expect(writes).toBeLessThanOrEqual(3);
  });
});

describe('text mode', () => {
  test('cuts frames between characters', async () => {
    const { client, backend } = await openFlow({ frameType: 'text' });
    const text = Buffer.from('aé€🐘 '.repeat(50));
    for (let at = 0; at < text.length; at += 3) {
      backend.write(text.subarray(at, at + 3));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const parts: Buffer[] = [];
    for (let have = 0; have < text.length;) {
      const { opcode, final, payload } = (await client.frame())!;
      expect({ opcode, final, valid: isUtf8(payload) }).toEqual({ opcode: 1, final: true, valid: true });
      parts.push(payload);
      have += payload.length;
    }
    expect(Buffer.concat(parts).toString()).toBe(text.toString());
  });

  test('sends a character that arrives byte by byte in one frame', async () => {
    const { client, backend, toBackend } = await openFlow({ frameType: 'text' });
    for (const byte of Buffer.from('🐘')) {
      const { bytesRead } = toBackend;
      backend.write(Buffer.of(byte));
      await until(() => toBackend.bytesRead > bytesRead);
    }
    expect(await client.frame()).toEqual({ final: true, opcode: 1, payload: Buffer.from('🐘') });
  });

  test('closes with 1011 at bytes that are not UTF-8, after the valid ones', async () => {
    const flow = await openFlow({ frameType: 'text' });
    flow.backend.write('good');
    expect((await flow.client.frame())?.payload.toString()).toBe('good');
    flow.backend.write(hex('c3 28'));
    expect(await flow.client.close()).toEqual({
      code: 1011,
      reason: expect.stringContaining('UTF-8') as string,
    });
    flow.client.send(closeFrame(1011)).socket.end();
    flow.backend.end();
    expect(await flow.over()).toMatchObject({ code: 1011, bytesIn: 0 });
  });

  test('closes with 1011 when the backend ends inside a character', async () => {
    const flow = await openFlow({ frameType: 'text' });
    flow.backend.end(hex('61 e2 82'));
    expect(await flow.client.frame()).toMatchObject({ opcode: 1, payload: Buffer.from('a') });
    expect(await flow.client.frame()).toMatchObject({ opcode: 8, payload: expect.any(Buffer) as Buffer });
    flow.client.send(closeFrame(1000)).socket.end();
    expect(await flow.over()).toMatchObject({ code: 1011, reason: 'the backend ended inside a character' });
  });

  test('is overridden by the subprotocol binary', async () => {
    const { client, backend } = await openFlow({ frameType: 'text' }, { 'Sec-WebSocket-Protocol': 'binary' });
    backend.write(hex('ff c3'));
    expect(await client.frame()).toEqual({ final: true, opcode: 2, payload: hex('ff c3') });
  });

  test('is kept under another subprotocol', async () => {
    const subprotocol = () => 'chat';
    const headers = { 'Sec-WebSocket-Protocol': 'binary, chat' };
    const { client, backend } = await openFlow({ frameType: 'text', subprotocol }, headers);
    backend.write('text');
    expect(await client.frame()).toMatchObject({ opcode: 1, payload: Buffer.from('text') });
  });
});

test('a client may send text to a binary tunnel', async () => {
  const { port, tunnel } = await startTunnel();
  const closes: ClosedInfo[] = [];
  tunnel.on('close', (info) => closes.push(info));
  const client = await openRaw(port);
  client.send(frame(1, 'grüße'));
  expect(await client.frame()).toMatchObject({ opcode: 2, payload: Buffer.from('grüße') });
  expect(closes).toEqual([]);
});
