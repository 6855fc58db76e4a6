import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { openFlow, reaches } from '../support/observed-tunnel.js';
import { closeFrame, frame } from '../support/raw-client.js';
import { until } from '../support/wait.js';

const PING = 9;

describe('when the backend', () => {
  test("ends, its bytes are delivered, Close 1000 follows, and the client's last bytes arrive", async () => {
    const flow = await openFlow();
    const all = Buffer.alloc(3_000_000, 'to the last byte ');
    flow.backend.end(all);
    const backendEnded = once(flow.backend, 'end');
    expect((await flow.client.payload(all.length)).equals(all)).toBe(true);
    expect(await flow.client.close()).toEqual({ code: 1000, reason: 'the backend ended' });
    flow.client.send(frame(2, 'last '), frame(1, 'words'), closeFrame(1000));
    await flow.client.ended();
    flow.client.socket.end();
    await backendEnded;
    expect(flow.received().toString()).toBe('last words');
    const closed = await flow.over();
    expect(closed).toMatchObject({
      code: 1000,
      reason: 'the backend ended',
      bytesIn: 10,
      bytesOut: all.length,
    });
  });

  test('ends after many bytes, a client that has answered the Close keeps its slot only for closeTimeout', async () => {
    // Found by the soak test. On a slow line, the wait for the answer may take thirty times closeTimeout; the wait after the answer may not.
    const flow = await openFlow({ closeTimeout: 0.2 });
    const all = Buffer.alloc(1_500_000, 'to the last byte ');
    flow.backend.end(all);
    await flow.client.payload(all.length);
    expect(await flow.client.close()).toMatchObject({ code: 1000 });
    const started = performance.now();
    flow.client.send(closeFrame(1000));
    expect(await flow.over()).toMatchObject({ code: 1000, bytesOut: all.length });
    expect(performance.now() - started).toBeLessThan(3000);
  });

  test('ends before it sent anything, the client gets Close 1000', async () => {
    const flow = await openFlow();
    flow.backend.end();
    expect(await flow.client.close()).toMatchObject({ code: 1000 });
    flow.client.send(closeFrame(1000)).socket.end();
    expect(await flow.over()).toMatchObject({ code: 1000, bytesOut: 0 });
  });

  test('resets, the client gets Close 1011', async () => {
    const flow = await openFlow();
    flow.backend.write('before');
    expect((await flow.client.payload(6)).toString()).toBe('before');
    flow.backend.resetAndDestroy();
    expect(await flow.client.close()).toEqual({ code: 1011, reason: 'the backend failed' });
    flow.client.send(frame(2, 'to nobody'), closeFrame(1011)).socket.end();
    expect(await flow.over()).toMatchObject({ code: 1011, reason: 'the backend failed' });
  });

  test('resets while the client is paused, reading from the client resumes', async () => {
    const flow = await openFlow({ limits: { buffered: 65_536 }, closeTimeout: 5 });
    flow.backend.pause();
    flow.client.send(frame(2, Buffer.alloc(24_000_000)), closeFrame(1000));
    await until(() => flow.toClient.isPaused());
    flow.backend.resetAndDestroy();
    expect(await flow.client.close()).toMatchObject({ code: 1011 });
    await flow.client.ended();
    flow.client.socket.end();
    expect(await flow.over()).toMatchObject({ code: 1011 });
  });

  test("never ends after the client's Close, it is destroyed after closeTimeout", async () => {
    const flow = await openFlow({ closeTimeout: 0.2 });
    flow.client.send(closeFrame(1000));
    expect(await flow.client.close()).toEqual({ code: 1000, reason: '' });
    flow.client.socket.end();
    await flow.client.closed();
    expect(flow.tunnel.stats().open).toBe(1);
    await once(flow.tunnel, 'close');
    expect(flow.toBackend.destroyed).toBe(true);
    expect((await flow.over()).code).toBe(1000);
  });
});

describe('when the client closes', () => {
  test.each([
    [1000, 'bye'],
    [1001, ''],
    [3000, 'a library'],
    [4999, 'an app'],
  ])('with %d %s, the code is echoed at once and its bytes arrive', async (code, reason) => {
    const flow = await openFlow();
    const ended = once(flow.backend, 'end');
    const words = Buffer.alloc(300_000, 'last words ');
    flow.client.send(frame(2, words), closeFrame(code, reason));
    // The backend does not end before the client has received the echo.
    expect(await flow.client.close()).toEqual({ code, reason: '' });
    await flow.client.ended();
    await ended;
    expect(flow.received().equals(words)).toBe(true);
    expect(flow.tunnel.stats()).toMatchObject({ open: 1, backends: [{ load: 1 }] });
    flow.backend.end('too late');
    flow.client.socket.end();
    expect(await flow.over()).toMatchObject({ code, reason, bytesIn: words.length, bytesOut: 0 });
  });

  test('without a code, the echo has none either', async () => {
    const flow = await openFlow();
    flow.client.send(closeFrame());
    expect(await flow.client.frame()).toEqual({ final: true, opcode: 8, payload: Buffer.alloc(0) });
    flow.backend.end();
    flow.client.socket.end();
    expect(await flow.over()).toMatchObject({ code: 1005, reason: '' });
  });

  test('nothing is sent after the Close, whatever the backend sends', async () => {
    const flow = await openFlow();
    flow.client.send(closeFrame(1000));
    await once(flow.backend, 'end');
    flow.backend.end('too late');
    expect((await flow.client.rest()).toString('hex')).toBe('880203e8');
    flow.client.socket.end();
    await flow.over();
  });

  test('its connection without a Close, the code is 1006 and its bytes arrive', async () => {
    const flow = await openFlow();
    const ended = once(flow.backend, 'end');
    flow.client.send(frame(2, 'last words')).socket.end();
    await ended;
    expect(flow.received().toString()).toBe('last words');
    flow.backend.end();
    const closed = await flow.over();
    expect(closed).toMatchObject({ code: 1006, reason: 'the client ended without a Close', bytesIn: 10 });
    expect((await flow.client.rest()).length).toBe(0);
  });

  test('in the middle of a frame, the code is 1006', async () => {
    const flow = await openFlow();
    const ended = once(flow.backend, 'end');
    flow.client.send(frame(2, 'half', { length: 8 })).socket.end();
    await ended;
    expect(flow.received().toString()).toBe('half');
    flow.backend.end();
    expect(await flow.over()).toMatchObject({ code: 1006 });
  });

  test('by a reset, the code is 1006 and the backend is freed', async () => {
    const flow = await openFlow();
    const ended = once(flow.backend, 'end');
    flow.client.socket.resetAndDestroy();
    await ended;
    flow.backend.end();
    const { code, reason } = await flow.over();
    expect(code).toBe(1006);
    expect(reason).toMatch(/^the client's connection (failed|was lost)/);
  });
});

test('a client that never answers our Close is cut off after closeTimeout', async () => {
  const flow = await openFlow({ closeTimeout: 0.2 });
  flow.backend.end();
  expect(await flow.client.close()).toMatchObject({ code: 1000 });
  // The client keeps the connection open: only the deadline frees the socket.
  await once(flow.tunnel, 'close');
  expect(flow.toClient.destroyed).toBe(true);
  expect(await flow.over()).toMatchObject({ code: 1000, reason: 'the backend ended' });
});

test('a client that answers our Close but keeps its connection is cut off after closeTimeout', async () => {
  const flow = await openFlow({ closeTimeout: 0.2 });
  flow.backend.end();
  await flow.client.close();
  flow.client.send(closeFrame(1000));
  await flow.client.ended();
  expect(await flow.over()).toMatchObject({ code: 1000 });
});

describe('a client that sends nothing', () => {
  const settings = { pingInterval: 0.05, pongTimeout: 0.1 };

  test('is cut off with the reason in the event', async () => {
    const flow = await openFlow(settings);
    flow.backend.on('end', () => flow.backend.end());
    await flow.client.ended();
    expect(await flow.over()).toEqual(
      expect.objectContaining({ code: 1006, reason: 'the client was silent for 0.1 s after a PING' }),
    );
  });

  test('is kept when no deadline is set', async () => {
    const flow = await openFlow({ pingInterval: 0.02, pongTimeout: 0 });
    for (let i = 0; i < 15; i++) expect(await flow.client.frame()).toMatchObject({ opcode: PING });
    expect(flow.tunnel.stats().open).toBe(1);
  });

  // The deadline would expire several times without bytes from the client.
  const patient = { pingInterval: 0.05, pongTimeout: 0.4 };

  test('is kept when it answers PINGs', async () => {
    const flow = await openFlow(patient);
    for (let i = 0; i < 20; i++) {
      expect(await flow.client.frame()).toEqual({ final: true, opcode: PING, payload: Buffer.alloc(0) });
      flow.client.send(frame(10));
    }
    flow.client.send(frame(2, 'alive'));
    await reaches(flow, 'alive');
  });

  test('is kept when it sends data without PONGs', async () => {
    const flow = await openFlow(patient);
    for (let i = 0; i < 20; i++) {
      expect(await flow.client.frame()).toMatchObject({ opcode: PING });
      flow.client.send(frame(2, '.'));
    }
    await reaches(flow, '.'.repeat(20));
  });

  test('is kept while the tunnel does not read from it', async () => {
    const flow = await openFlow({ ...patient, limits: { buffered: 65_536 } });
    flow.backend.pause();
    const all = Buffer.alloc(24_000_000, 'x');
    flow.client.send(frame(2, all), frame(2, 'the end'));
    await until(() => flow.toClient.isPaused());
    for (let i = 0; i < 20; i++) expect(await flow.client.frame()).toMatchObject({ opcode: PING });
    expect(flow.toClient.isPaused()).toBe(true);
    let received = 0;
    flow.backend.on('data', (chunk: Buffer) => (received += chunk.length));
    flow.backend.resume();
    await until(() => received === all.length + 7);
    expect(flow.tunnel.stats().open).toBe(1);
  });
});

describe("the app's call", () => {
  test('end() closes the matching tunnels with 1008', async () => {
    const flow = await openFlow();
    expect(flow.tunnel.end(({ url }) => url === '/other')).toBe(0);
    expect(flow.tunnel.end(({ url }) => url === '/tunnel')).toBe(1);
    expect(await flow.client.close()).toEqual({ code: 1008, reason: 'ended by the application' });
    // Bytes from a client after the logout must not reach the backend.
    flow.client.send(frame(2, 'last words'), closeFrame(1008)).socket.end();
    await once(flow.backend, 'end');
    expect(flow.received().toString()).toBe('');
    flow.backend.end();
    expect(await flow.over()).toMatchObject({ code: 1008, reason: 'ended by the application' });
  });

  test('close() closes every tunnel with 1001', async () => {
    const flow = await openFlow();
    const done = flow.tunnel.close();
    expect(await flow.client.close()).toEqual({ code: 1001, reason: 'the server is closing' });
    flow.client.send(frame(2, 'last words'), closeFrame(1001)).socket.end();
    await once(flow.backend, 'end');
    expect(flow.received().toString()).toBe('last words');
    flow.backend.end();
    await done;
    expect(await flow.over()).toMatchObject({ code: 1001 });
  });

  test('close() returns although a client does not answer', async () => {
    const flow = await openFlow({ closeTimeout: 10 });
    await flow.tunnel.close({ timeout: 0.1 });
    expect(flow.toClient.destroyed).toBe(true);
    expect(flow.toBackend.destroyed).toBe(true);
    expect(await flow.over()).toMatchObject({ code: 1001 });
  });
});
