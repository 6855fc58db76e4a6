import { describe, expect, test } from 'vitest';
import { openFrames } from '../../support/frame-tunnel.js';
import { closeFrame, frame } from '../../support/raw-client.js';
import { until } from '../../support/wait.js';
import { plain, plainClose } from '../../support/websocket-server.js';

const short = { options: { closeTimeout: 0.2 } };
/** The first part of a frame of 1,000 bytes. */
const begun = (bytes: Buffer, length = 500) => bytes.subarray(0, length);
const masked = () => frame(2, Buffer.alloc(1000, 'm'));
const bare = () => plain(2, Buffer.alloc(1000, 'b'));

describe('a Close of the client', () => {
  test('passes with code and reason, and the answer of the backend passes back', async () => {
    const { client, backend, over } = await openFrames();
    client.send(frame(2, 'last'), closeFrame(3001, 'mine'), frame(2, 'after the Close'));
    expect((await backend.frame())?.payload.toString()).toBe('last');
    expect(await backend.close()).toEqual({ code: 3001, reason: 'mine' });
    backend.send(plain(2, 'more'), plainClose(3001, 'mine'), plain(2, 'after the Close'));
    expect((await client.frame())?.payload.toString()).toBe('more');
    expect(await client.close()).toEqual({ code: 3001, reason: 'mine' });
    expect((await client.rest()).length).toBe(0);
    client.socket.end();
    backend.socket.end();
    expect((await backend.rest()).length).toBe(0);
    expect(await over()).toMatchObject({
      ...{ cause: 'client-closed', code: 3001, reason: 'mine' },
      ...{ bytesIn: 4, bytesOut: 4 },
    });
  });

  test('without an answer ends by closeTimeout: the client gets 1011', async () => {
    const { client, over } = await openFrames(short);
    client.send(frame(2, 'lost?'), closeFrame(1000));
    expect(await client.close()).toMatchObject({ code: 1011 });
    await client.ended();
    client.socket.end();
    expect(await over()).toMatchObject({ cause: 'undelivered', code: 1011 });
  });

  test('is undelivered if the backend fails before its answer', async () => {
    const { client, backend, over } = await openFrames();
    client.send(closeFrame(1000));
    await backend.close();
    backend.socket.resetAndDestroy();
    expect(await client.close()).toMatchObject({ code: 1011 });
    client.socket.end();
    expect(await over()).toMatchObject({ cause: 'undelivered', code: 1011 });
  });

  test('answered with the code of a loss is not an orderly end', async () => {
    const { client, backend, over } = await openFrames();
    client.send(closeFrame(1000));
    await backend.close();
    backend.send(plainClose(1011, 'disk full'));
    backend.socket.end();
    expect(await client.close()).toEqual({ code: 1011, reason: 'disk full' });
    client.socket.end();
    expect(await over()).toMatchObject({ cause: 'backend-closed', code: 1011 });
  });

  test('passes between the fragments of a message', async () => {
    const { client, backend, over } = await openFrames();
    client.send(frame(1, 'first', { final: false }), closeFrame());
    expect(await backend.frame()).toMatchObject({ final: false, opcode: 1 });
    expect(await backend.close()).toMatchObject({ code: 1005 });
    backend.send(plainClose());
    expect(await client.close()).toMatchObject({ code: 1005 });
    backend.socket.end();
    client.socket.end();
    expect(await over()).toMatchObject({ cause: 'client-closed', code: 1005 });
  });
});

describe('a Close of the backend', () => {
  test('passes, and the answer of the client passes back', async () => {
    const { client, backend, over } = await openFrames();
    backend.send(plain(1, 'bye'), plainClose(4001, 'shell exited'));
    expect((await client.frame())?.payload.toString()).toBe('bye');
    expect(await client.close()).toEqual({ code: 4001, reason: 'shell exited' });
    client.send(frame(2, 'late'), closeFrame(4001));
    expect((await backend.frame())?.payload.toString()).toBe('late');
    expect(await backend.close()).toEqual({ code: 4001, reason: '' });
    await client.ended();
    client.socket.end();
    await backend.ended();
    backend.socket.end();
    expect(await over()).toMatchObject({ cause: 'backend-closed', code: 4001, reason: 'shell exited' });
  });

  test('without an answer of the client ends by closeTimeout', async () => {
    const { client, backend, over } = await openFrames(short);
    backend.send(plainClose(1000));
    expect(await client.close()).toMatchObject({ code: 1000 });
    expect(await over()).toMatchObject({ cause: 'backend-closed', code: 1000 });
    expect(backend.socket.destroyed).toBe(true);
  });

  test('after bytes that the client does not accept ends with close-timeout', async () => {
    const options = { closeTimeout: 0.2, limits: { buffered: 20_000_000 } };
    const { tunnel, client, backend, over } = await openFrames({ options });
    client.socket.pause();
    backend.send(plain(2, Buffer.alloc(12_000_000)), plainClose(1000));
    expect(await over()).toMatchObject({ cause: 'close-timeout', code: 1006 });
    expect(tunnel.stats().bytesOut).toBeLessThan(12_000_000);
  });
});

describe('a tunnel that the app ends', () => {
  test('between two frames sends a Close to both sides, and drops what the client sends', async () => {
    const { tunnel, client, backend, over } = await openFrames();
    tunnel.end(() => true, 1008, 'logged out');
    client.send(frame(2, 'typed later'));
    expect(await client.close()).toEqual({ code: 1008, reason: 'logged out' });
    client.send(frame(2, 'typed still later'), closeFrame(1008));
    expect(await backend.close()).toEqual({ code: 1000, reason: '' });
    await client.ended();
    client.socket.end();
    expect((await backend.rest()).length).toBe(0);
    backend.send(plainClose(1000));
    backend.socket.end();
    expect(await over()).toMatchObject({ cause: 'ended-by-app', code: 1008, bytesIn: 0 });
  });

  test('within a frame of the backend passes the rest of this frame alone, and then the Close', async () => {
    const { tunnel, client, backend, over } = await openFrames();
    const bytes = bare();
    backend.send(begun(bytes));
    expect((await client.take(500)).length).toBe(500);
    tunnel.end(() => true);
    expect(await backend.close()).toMatchObject({ code: 1000 });
    backend.send(bytes.subarray(500), plain(2, 'one frame more'), plainClose(1000));
    expect((await client.take(bytes.length - 500)).equals(bytes.subarray(500))).toBe(true);
    expect((await client.frame())?.opcode).toBe(8);
    client.send(closeFrame(1008));
    expect((await client.rest()).length).toBe(0);
    client.socket.end();
    backend.socket.end();
    expect(await over()).toMatchObject({ cause: 'ended-by-app', code: 1008, bytesOut: 1000 });
  });

  test('within a frame of the client resets the backend, and completes no frame', async () => {
    const { tunnel, client, backend, over } = await openFrames();
    let error: NodeJS.ErrnoException | undefined;
    backend.socket.on('error', (reason) => (error = reason));
    const bytes = masked();
    client.send(begun(bytes));
    expect((await backend.take(500)).length).toBe(500);
    tunnel.end(() => true);
    client.send(bytes.subarray(500), closeFrame(1008));
    expect(await client.close()).toMatchObject({ code: 1008 });
    expect((await backend.rest()).length).toBe(0);
    await until(() => error !== undefined);
    expect(error?.code).toBe('ECONNRESET');
    client.socket.end();
    expect(await over()).toMatchObject({ cause: 'ended-by-app', code: 1008 });
  });

  test('within a frame of 1 GiB that stops ends by closeTimeout', async () => {
    const { tunnel, client, backend, over } = await openFrames(short);
    const huge = plain(2, '', true);
    const header = Buffer.from([huge[0]!, 127, 0, 0, 0, 0, 0x40, 0, 0, 0]);
    backend.send(header, Buffer.alloc(1000));
    await client.take(1010);
    tunnel.end(() => true);
    expect((await client.rest()).length).toBe(0);
    expect(await over()).toMatchObject({ cause: 'close-timeout', code: 1006 });
  });

  test('within a frame of 1 GiB that goes on without end ends by closeTimeout, with bounded memory', async () => {
    const { tunnel, client, backend, over } = await openFrames({ options: { closeTimeout: 0.5 } });
    const chunk = Buffer.alloc(100_000);
    client.socket.removeAllListeners('data');
    client.socket.on('data', () => undefined);
    backend.send(Buffer.from([0x82, 127, 0, 0, 0, 4, 0, 0, 0, 0]));
    const send = () => {
      if (!backend.socket.destroyed) backend.socket.write(chunk, () => setImmediate(send));
    };
    send();
    await until(() => tunnel.tunnels()[0]!.bytesOut > 1_000_000);
    const before = process.memoryUsage().rss;
    const began = performance.now();
    tunnel.end(() => true);
    expect(await over()).toMatchObject({ cause: 'close-timeout', code: 1006 });
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
  });

  test('that drains delivers what the client sends until its Close, and then a Close 1001', async () => {
    const { tunnel, client, backend, over } = await openFrames();
    client.send(frame(2, 'sent'));
    await backend.frame();
    const closed = tunnel.close({ timeout: 60 });
    expect(await client.close()).toMatchObject({ code: 1001 });
    client.send(frame(2, 'still sent'), closeFrame(1001));
    expect((await backend.frame())?.payload.toString()).toBe('still sent');
    expect(await backend.close()).toEqual({ code: 1001, reason: '' });
    await client.ended();
    client.socket.end();
    await backend.ended();
    backend.socket.end();
    await closed;
    expect(await over()).toMatchObject({ cause: 'drain', code: 1001, bytesIn: 14 });
  });
});

describe('a backend that is lost', () => {
  test.each([
    ['ends', 'end'],
    ['is reset', 'resetAndDestroy'],
  ] as const)('and %s between two frames: the client gets 1011', async (_, loss) => {
    const { client, backend, over } = await openFrames();
    backend.send(plain(2, 'x'));
    await client.frame();
    backend.socket[loss]();
    expect(await client.close()).toMatchObject({ code: 1011 });
    client.send(closeFrame(1011));
    await client.ended();
    client.socket.end();
    expect(await over()).toMatchObject({ cause: 'backend-failed', code: 1011 });
  });

  test.each([
    ['ends', 'end'],
    ['is reset', 'resetAndDestroy'],
  ] as const)('and %s within a frame: the connection ends without a Close', async (_, loss) => {
    const { client, backend, over } = await openFrames();
    backend.send(begun(bare()));
    await client.take(500);
    backend.socket[loss]();
    expect((await client.rest()).length).toBe(0);
    client.socket.end();
    expect(await over()).toMatchObject({ cause: 'backend-failed', code: 1006 });
  });
});

describe('a client that is lost', () => {
  test.each([
    ['ends', 'end', 'client-ended'],
    ['is reset', 'resetAndDestroy', 'client-lost'],
  ] as const)('and %s between two frames: the backend gets a Close 1001', async (_, loss, cause) => {
    const { client, backend, over } = await openFrames();
    client.send(frame(2, 'x'));
    await backend.frame();
    client.socket[loss]();
    expect(await backend.close()).toEqual({ code: 1001, reason: '' });
    expect((await backend.rest()).length).toBe(0);
    backend.socket.end();
    expect(await over()).toMatchObject({ cause, code: 1006 });
  });

  test('within a frame: the backend is reset after the bytes', async () => {
    const { client, backend, over } = await openFrames();
    let error: NodeJS.ErrnoException | undefined;
    backend.socket.on('error', (reason) => (error = reason));
    client.send(frame(2, 'whole'), begun(masked()));
    client.socket.end();
    expect((await backend.frame())?.payload.toString()).toBe('whole');
    expect((await backend.rest()).length).toBe(500);
    await until(() => error !== undefined);
    expect(error?.code).toBe('ECONNRESET');
    expect(await over()).toMatchObject({ cause: 'client-ended', code: 1006 });
  });
});

describe('a peer that breaks the protocol', () => {
  test.each<[string, Buffer, number]>([
    ['an unmasked frame', plain(2, 'x'), 1002],
    ['a long PING', frame(9, Buffer.alloc(126)), 1002],
    ['a reserved bit without an extension', frame(2, 'x', { rsv: 4 }), 1002],
    ['a length not in its shortest form', frame(2, 'x', { length: 70_000 }).fill(0, 2, 10), 1002],
    ['an unknown opcode', frame(5, 'x'), 1002],
    ['half a close code', frame(8, 'x'), 1002],
    ['a frame of 2^60 bytes', frame(2, '', { length: 2 ** 60 }), 1009],
  ])('as client by %s gets its Close, and the backend a Close 1001', async (_, bytes, code) => {
    const { client, backend, over } = await openFrames();
    client.send(frame(2, 'good'), bytes);
    expect(await client.close()).toMatchObject({ code });
    expect((await backend.frame())?.payload.toString()).toBe('good');
    expect(await backend.close()).toMatchObject({ code: 1001 });
    await client.ended();
    client.socket.end();
    await backend.ended();
    backend.socket.end();
    expect(await over()).toMatchObject({ code });
  });

  test.each([
    ['a masked frame', frame(2, 'x')],
    ['a fragmented PONG', plain(10, 'x', false)],
    ['a continuation without a message', plain(0, 'x')],
  ])('as backend by %s: the client gets 1011, and the backend 1002', async (_, bytes) => {
    const { client, backend, over } = await openFrames();
    backend.send(plain(2, 'good'), bytes, plain(2, 'more'));
    expect((await client.frame())?.payload.toString()).toBe('good');
    expect(await client.close()).toMatchObject({ code: 1011 });
    client.send(closeFrame(1011));
    await client.ended();
    client.socket.end();
    expect(await backend.close()).toMatchObject({ code: 1002 });
    await backend.ended();
    backend.socket.end();
    expect(await over()).toMatchObject({ cause: 'backend-failed', code: 1011 });
  });
});
