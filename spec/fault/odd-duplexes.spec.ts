import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { Duplex, type DuplexOptions } from 'node:stream';
import express from 'express';
import { describe, expect, test } from 'vitest';
import type { ClosedInfo, Tunnel } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { closeFrame, frame, handshake, openRaw } from '../support/raw-client.js';
import { makeTunnel, startBackend, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

const fault = () => {
  throw new Error('a fault of the app');
};

function made(options: DuplexOptions = {}): Duplex {
  const stream = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => done(),
    ...options,
  });
  onCleanup(() => Duplex.prototype.destroy.call(stream));
  return stream;
}

const soon = { closeTimeout: 0.2, pingInterval: 0 };

async function before(backend: Duplex) {
  const { tunnel, port } = await startTunnel({ server: { connect: () => backend }, ...soon });
  const closed = once(tunnel, 'close') as Promise<[ClosedInfo]>;
  return { tunnel, closed, client: await openRaw(port) };
}

function expectFree(tunnel: Tunnel): void {
  const { open, backends } = tunnel.stats();
  expect({ open, loads: backends.map(({ load }) => load) }).toEqual({ open: 0, loads: [0] });
}

const MOST_ASKED = 5_000_000;

describe('a stream of the app as backend', () => {
  test.each(['end', 'destroy', 'resume'] as const)('whose %s throws keeps no tunnel open', async (method) => {
    const backend = made();
    const { tunnel, closed, client } = await before(backend);
    backend[method] = fault;
    client.socket.resetAndDestroy();
    await closed;
    expectFree(tunnel);
    await tunnel.close();
  });

  test('whose pause throws counts as failed', async () => {
    const backend = made();
    const { closed, client } = await before(backend);
    client.socket.pause();
    backend.pause = fault;
    for (let sent = 0; sent < 400 && !backend.destroyed; sent++) {
      backend.push(Buffer.alloc(65_536));
      await new Promise(setImmediate);
    }
    client.socket.resume();
    client.socket.end(closeFrame(1000));
    const [{ code }] = await closed;
    expect(code).toBe(1011);
  });

  test('that emits close but lives on is destroyed, and its later events are ignored', async () => {
    const backend = made();
    const { tunnel, closed } = await before(backend);
    backend.emit('close');
    await closed;
    expect(backend.destroyed).toBe(true);
    const heard = ['data', 'end', 'error', 'close'].map((event) => backend.listenerCount(event));
    // Only the listener that ignores later errors stays.
    expect(heard).toEqual([0, 0, 1, 0]);
    expectFree(tunnel);
  });

  test("that is destroyed without an event is detected by the client's next bytes", async () => {
    const backend = made({ emitClose: false });
    const { closed, client } = await before(backend);
    backend.destroy();
    client.socket.write(frame(2, 'hello'));
    const [{ code }] = await closed;
    expect(code).toBe(1011);
  });

  test.each(['closes', 'is reset'])(
    'that produces bytes synchronously does not block other tunnels once its client %s',
    async (how) => {
      const chunk = Buffer.alloc(65_536);
      let asked = 0;
      let begun = false;
      // The stream ends after MOST_ASKED reads, so that a failing test does not hang. With one read per event-loop turn
      // this number is out of reach before the deadline.
      const backend = made({
        read(this: Duplex) {
          if (begun) this.push(++asked < MOST_ASKED ? chunk : null);
        },
      });
      const { closed, client } = await before(backend);
      client.socket.pause();
      begun = true;
      backend.push(chunk);
      if (how === 'closes') client.socket.write(closeFrame(1000));
      else client.socket.resetAndDestroy();
      await closed;
      expect(backend.destroyed).toBe(true);
      expect(asked).toBeLessThan(MOST_ASKED);
    },
  );
});

describe('a stream of the app as client connection', () => {
  async function over(carrier: Duplex, options: { pingInterval?: number; pongTimeout?: number } = {}) {
    const backend = await startBackend();
    const tunnel = makeTunnel({ server: { port: backend.port }, ...soon, ...options });
    const http = createHttp(express().use('/tunnel', tunnel));
    tunnel.attach(http);
    const closed = once(tunnel, 'close') as Promise<[ClosedInfo]>;
    const opened = once(tunnel, 'open');
    http.emit('connection', carrier);
    carrier.push(handshake('/tunnel'));
    await opened;
    await until(() => backend.sockets.size === 1);
    return { tunnel, closed, backend: [...backend.sockets][0]! };
  }

  test.each(['a PING', 'bytes', 'a Close'])('that throws at %s counts as failed', async (what) => {
    const carrier = made();
    const { tunnel, closed, backend } = await over(carrier, { pingInterval: what === 'a PING' ? 0.05 : 0 });
    carrier._write = fault;
    if (what === 'bytes') backend.write('hello');
    if (what === 'a Close') tunnel.end(() => true);
    await closed;
    expect(carrier.destroyed).toBe(true);
    expectFree(tunnel);
  });

  test.each(['destroy', 'resume', 'end'] as const)('whose %s throws keeps no tunnel open', async (method) => {
    // With autoDestroy, Node itself would call `destroy`.
    const carrier = made({ autoDestroy: false });
    const { tunnel, closed } = await over(carrier);
    carrier[method] = fault;
    carrier.push(null);
    await closed;
    expectFree(tunnel);
    await tunnel.close();
  });

  test('that fails without close keeps no tunnel open', async () => {
    const carrier = made({ emitClose: false });
    const { tunnel, closed } = await over(carrier);
    carrier.destroy(new Error('gone'));
    const [{ code, reason }] = await closed;
    expect({ code, reason }).toEqual({ code: 1006, reason: "the client's connection failed: gone" });
    expectFree(tunnel);
  });

  test('that is destroyed without an event is detected by the next PING', async () => {
    const carrier = made({ emitClose: false });
    const { closed } = await over(carrier, { pingInterval: 0.1, pongTimeout: 0 });
    carrier.destroy();
    const [{ code }] = await closed;
    expect(code).toBe(1006);
  });
});
