import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { ClosedInfo, Host, TunnelOptions } from '../../../src/index.js';
import { certificate } from '../../support/certificate.js';
import { describeWith } from '../../support/programs.js';
import {
  closeFrame,
  echoes,
  frame,
  openRaw,
  requestTunnel,
  type RawClient,
} from '../../support/raw-client.js';
import { startTunnel } from '../../support/servers.js';
import { until } from '../../support/wait.js';
import { accepting, plain, plainClose, startByHand } from '../../support/websocket-server.js';

/** A backend that accepts the handshake, and a tunnel to it in `bytes` mode. */
async function startBytes(
  serve: (peer: RawClient, asked: string) => unknown,
  host: Host = {},
  headers = {},
  options: Partial<TunnelOptions> = {},
) {
  const asked: string[] = [];
  const backend = await startByHand((peer, head) => {
    asked.push(head);
    peer.send(accepting(head, headers));
    return serve(peer, head);
  });
  const started = await startTunnel({ server: { url: backend.url, mode: 'bytes', ...host }, ...options });
  return { ...started, asked, backend };
}

/** Returns the payload of all messages, in frames of its own. */
async function echo(peer: RawClient): Promise<void> {
  for (let next = await peer.frame(); next; next = await peer.frame()) {
    if (next.opcode === 8) {
      peer.send(plain(8, next.payload));
      peer.socket.end();
      return;
    }
    if (next.opcode <= 2) peer.send(plain(2, next.payload));
  }
}

describe("mode: 'bytes'", () => {
  test('makes a handshake of its own, without headers of the client', async () => {
    const { port, asked, backend } = await startBytes(
      echo,
      { subprotocol: 'binary.k8s.io', headers: { 'X-A': '1' } },
      { 'Sec-WebSocket-Protocol': 'binary.k8s.io' },
    );
    const client = await openRaw(port, '/tunnel', {
      Origin: 'http://127.0.0.1',
      Cookie: 'sid=secret',
      'Sec-WebSocket-Protocol': 'chat, binary',
      'Sec-WebSocket-Extensions': 'permessage-deflate',
    });
    await echoes(client);
    expect(asked[0]).toMatch(
      new RegExp(
        `^GET /x HTTP/1.1\r\nHost: 127.0.0.1:${backend.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: [^\r]{24}\r\nSec-WebSocket-Protocol: binary.k8s.io\r\nX-A: 1\r\n\r\n$',
      ),
    );
    expect(asked[0]).not.toContain('dGhlIHNhbXBsZSBub25jZQ==');
  });

  test("answers the client by the rule's subprotocol, without extensions", async () => {
    const { port } = await startBytes(echo);
    const client = requestTunnel(port, '/tunnel', {
      'Sec-WebSocket-Protocol': 'chat, binary',
      'Sec-WebSocket-Extensions': 'permessage-deflate',
    });
    const { status, headers } = await client.answer();
    expect([status, headers['sec-websocket-protocol']]).toEqual([101, 'binary']);
    expect(headers).not.toHaveProperty('sec-websocket-extensions');
  });

  test('passes megabytes in both directions, also bytes that arrive with the 101 response', async () => {
    const payload = Buffer.alloc(3_000_000, 'abcdefg');
    const backend = await startByHand(async (peer, head) => {
      peer.send(accepting(head), plain(1, 'early'));
      await echo(peer);
    });
    const { port, tunnel } = await startTunnel({ server: { url: backend.url, mode: 'bytes' } });
    const client = await openRaw(port);
    expect((await client.payload(5)).toString()).toBe('early');
    client.send(frame(2, payload));
    expect((await client.payload(payload.length)).equals(payload)).toBe(true);
    client.send(closeFrame(1000));
    expect(await client.close()).toMatchObject({ code: 1000 });
    client.socket.end();
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats()).toMatchObject({ bytesIn: payload.length, bytesOut: payload.length + 5 });
  });

  test.each([
    [1000, 1000, 'backend-ended', 'the backend ended'],
    [undefined, 1000, 'backend-ended', 'the backend ended'],
    [4001, 1011, 'backend-failed', 'the WebSocket of the backend was closed with 4001: bye'],
    [1001, 1011, 'backend-failed', 'the WebSocket of the backend was closed with 1001: bye'],
  ] as const)("the backend's Close %s is Close %i, %s", async (given, code, cause, reason) => {
    const { port, tunnel } = await startBytes((peer) =>
      peer.send(plain(2, 'last'), plainClose(given, given === undefined ? '' : 'bye')),
    );
    const closed = once(tunnel, 'close') as Promise<[ClosedInfo]>;
    const client = await openRaw(port);
    expect((await client.payload(4)).toString()).toBe('last');
    expect(await client.close()).toEqual({ code, reason });
    client.send(closeFrame(code));
    client.socket.end();
    expect((await closed)[0]).toMatchObject({ cause, code, reason });
  });

  test("the client's Close reaches the backend after all bytes", async () => {
    const seen: number[] = [];
    const { port } = await startBytes(async (peer) => {
      for (let next = await peer.frame(); next; next = await peer.frame()) seen.push(next.opcode);
    });
    const client = await openRaw(port);
    client.send(frame(2, 'abc'), closeFrame(1000));
    await until(() => seen.length === 2);
    expect(seen).toEqual([2, 8]);
  });

  test('a Close directly after the 101 response reaches the client as a Close', async () => {
    const backend = await startByHand((peer, head) =>
      peer.send(Buffer.concat([Buffer.from(accepting(head)), plainClose(4001, 'no')])),
    );
    const { port } = await startTunnel({ server: { url: backend.url, mode: 'bytes' } });
    expect(await (await openRaw(port)).close()).toEqual({
      code: 1011,
      reason: 'the WebSocket of the backend was closed with 4001: no',
    });
  });

  test('a client that leaves before its 101 response frees the connection to the backend', async () => {
    const { tunnel, port, backend } = await startBytes(
      echo,
      {},
      {},
      {
        // After the backend was reached, and never answered.
        subprotocol: (() => {
          client.socket.destroy();
          return new Promise(() => undefined);
        }) as never,
      },
    );
    const client = requestTunnel(port);
    await until(
      () =>
        backend.sockets.length === 1 && backend.sockets.every((one) => one.destroyed || one.readableEnded),
    );
    expect(tunnel.stats()).toMatchObject({ open: 0, opening: 0 });
  });

  test('an end of the backend before the 101 response for the client ends the tunnel', async () => {
    const { port, backend } = await startBytes(
      (peer) => peer.socket.end(),
      {},
      {},
      {
        // Until the backend's end has arrived.
        subprotocol: (async () => {
          await until(
            () => backend.sockets.length === 1 && backend.sockets.every((one) => one.writableFinished),
          );
          await sleep(100);
          return 'binary';
        }) as never,
        pingInterval: 0,
      },
    );
    const client = await openRaw(port, '/tunnel', { 'Sec-WebSocket-Protocol': 'binary' });
    expect(await client.close()).toEqual({
      code: 1011,
      reason: 'the WebSocket of the backend was lost: the server ended without a Close',
    });
  });

  test('a masked frame of the backend ends the tunnel with Close 1011', async () => {
    const { port } = await startBytes((peer) => peer.send(frame(2, 'abc')));
    expect(await (await openRaw(port)).close()).toMatchObject({ code: 1011 });
  });
});

describeWith('openssl')("mode: 'bytes' over TLS", () => {
  test('checks the certificate against the host of the URL', async () => {
    const tls = certificate();
    const backend = await startByHand(
      async (peer, head) => {
        peer.send(accepting(head));
        await echo(peer);
      },
      { tls },
    );
    const { port: trusting } = await startTunnel({
      server: { url: backend.url, mode: 'bytes', tls: { ca: tls.cert } },
    });
    await echoes(await openRaw(trusting));
    const { port: doubting } = await startTunnel({ server: { url: backend.url, mode: 'bytes' } });
    expect((await requestTunnel(doubting).answer()).status).toBe(502);
  });
});
