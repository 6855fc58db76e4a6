import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { listen, type LocalAddress } from '../../../src/client/index.js';
import { onCleanup } from '../../support/cleanup.js';
import type { RawClient } from '../../support/raw-client.js';
import { startTunnel } from '../../support/servers.js';
import { until } from '../../support/wait.js';
import {
  accepting,
  plain,
  plainClose,
  setProxyEnvironment,
  startByHand,
} from '../../support/websocket-server.js';

beforeEach(() => setProxyEnvironment({}));

/** The end as a local program sees it: the bytes read, and the code of an error or `end`. */
async function seenBy(socket: Socket): Promise<{ bytes: Buffer; end: string }> {
  const parts: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => parts.push(chunk));
  const end = await new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.on('end', () => resolve('end'));
  });
  return { bytes: Buffer.concat(parts), end };
}

async function dialLocal(url: string, local: LocalAddress = 0) {
  const listener = await listen(local, url);
  onCleanup(() => listener.close({ timeout: 0 }));
  const { address } = listener;
  const socket = typeof address === 'string' ? connectTcp(address) : connectTcp(address.port, '127.0.0.1');
  onCleanup(() => socket.destroy());
  const ended = new Promise<number>((resolve) => listener.once('close', ({ code }) => resolve(code)));
  return { listener, socket, ended };
}

const BYTES = Buffer.alloc(200_000, 'all that came');

describe('issue 13, case 12: a lost tunnel is not an orderly end for the local program', () => {
  const losses: [string, number, (peer: RawClient) => unknown][] = [
    ['the server is reset', 1006, ({ socket }) => socket.resetAndDestroy()],
    ['the server ends without a Close', 1006, ({ socket }) => socket.end()],
    ["the server's backend fails", 1011, (peer) => peer.send(plainClose(1011)).socket.end()],
    ['the server goes away', 1001, (peer) => peer.send(plainClose(1001)).socket.end()],
    ['the server cuts it off', 1008, (peer) => peer.send(plainClose(1008, 'logged out')).socket.end()],
  ];
  test.each(losses)(
    '%s: received bytes are delivered, then the connection is reset',
    async (_, code, lose) => {
      const { url } = await startByHand((peer, head) => {
        peer.send(accepting(head), plain(2, BYTES));
        peer.socket.once('data', () => lose(peer));
      });
      const { socket, ended } = await dialLocal(url);
      const seen = seenBy(socket);
      // The server resets only after the first bytes have arrived: a reset may overtake queued bytes.
      socket.once('data', () => {
        const wait = setInterval(() => {
          if (socket.bytesRead < BYTES.length) return;
          clearInterval(wait);
          socket.write('lose it now');
        }, 5);
        onCleanup(() => clearInterval(wait));
      });
      const { bytes, end } = await seen;
      expect(end).toBe('ECONNRESET');
      expect(bytes.equals(BYTES)).toBe(true);
      expect(await ended).toBe(code);
    },
  );

  test.each([[1000], [undefined]])('a Close with %s is an orderly end', async (code) => {
    const { url } = await startByHand((peer, head) => {
      peer.send(accepting(head), plain(2, BYTES), plainClose(code));
      peer.socket.end();
    });
    const { socket } = await dialLocal(url);
    const { bytes, end } = await seenBy(socket);
    expect(end).toBe('end');
    expect(bytes.equals(BYTES)).toBe(true);
  });

  test('a program that has ended its side and awaits an answer gets a reset as well', async () => {
    const { url } = await startByHand((peer, head) => {
      peer.send(accepting(head));
      peer.socket.once('data', () => peer.socket.resetAndDestroy());
    });
    const { socket } = await dialLocal(url);
    socket.end('the last question');
    expect((await seenBy(socket)).end).toBe('ECONNRESET');
  });

  // lighttpd ends every tunnel without a Close: a download through lighttpd must arrive whole.
  test('a program that reads a little later still gets the bytes that the kernel had accepted', async () => {
    const bytes = Buffer.alloc(4_000_000, 'a whole download');
    const { url } = await startByHand((peer, head) => {
      peer.send(accepting(head), plain(2, bytes));
      peer.socket.end();
    });
    const { listener, socket } = await dialLocal(url);
    await until(() => listener.stats().bytesIn === bytes.length);
    const seen = await seenBy(socket);
    expect(seen.end).toBe('ECONNRESET');
    expect(seen.bytes.equals(bytes)).toBe(true);
  });

  test('closing the listener is an orderly end', async () => {
    const { url } = await startTunnel();
    const { listener, socket } = await dialLocal(url);
    socket.write('x');
    await new Promise((resolve) => socket.once('data', resolve));
    const seen = seenBy(socket);
    await listener.close({ timeout: 1 });
    expect((await seen).end).toBe('end');
  });

  test('a unix socket, which has no reset, is closed and leaves nothing open', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wstunnel-lost-'));
    onCleanup(() => rmSync(folder, { recursive: true, force: true }));
    const { url } = await startByHand((peer, head) => {
      peer.send(accepting(head), plain(2, 'x'));
      peer.socket.once('data', () => peer.socket.resetAndDestroy());
    });
    const { listener, socket, ended } = await dialLocal(url, join(folder, 's'));
    socket.once('data', () => socket.write('lose it now'));
    expect(['end', 'ECONNRESET']).toContain((await seenBy(socket)).end);
    expect(await ended).toBe(1006);
    expect(listener.stats().open).toBe(0);
  });
});
