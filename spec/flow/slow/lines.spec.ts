import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { connect, type ClientStream, type ConnectOptions } from '../../../src/client/index.js';
import type { ClosedInfo, TunnelOptions } from '../../../src/index.js';
import { certificate } from '../../support/certificate.js';
import { onCleanup } from '../../support/cleanup.js';
import { describeWith } from '../../support/programs.js';
import { startNginx } from '../../support/proxies.js';
import { startSquid } from '../../support/real-proxies.js';
import { startBackend, startTunnel } from '../../support/servers.js';
import { startSlowLine, type SlowLine } from './slow-line.js';
import { until } from '../../support/wait.js';
import { failed } from '../../support/websocket-server.js';

/** Bytes per second; each rate is tested with `SECONDS` seconds' worth of bytes. */
const RATES = [8000, 25_000, 50_000, 250_000];
const SECONDS = 5;

/** More bytes than a test sends: the line accepts megabytes at once, as kernels and proxies do. */
const HOLDS = 8_000_000;

/** Far shorter than the time a PING needs after the queued bytes. */
const BEATS = { pingInterval: 0.5, pongTimeout: 0.5 };
const NO_BEATS = { pingInterval: 0 };

/** A path from the client to an app's port, with the slow line and optional proxies. */
interface Way {
  /** Builds the path to an app, including the line. */
  build(app: number, rate: number): Promise<{ line: SlowLine; url: string; options: ConnectOptions }>;
}

const direct: Way = {
  build: async (app, rate) => {
    const line = await startSlowLine(app, { rate, holds: HOLDS });
    return { line, url: `ws://127.0.0.1:${line.port}/tunnel`, options: { proxy: false } };
  },
};

const nginx: Way = {
  build: async (app, rate) => {
    const proxy = await startNginx(app);
    const line = await startSlowLine(proxy.port, { rate, holds: HOLDS });
    const tls = { ca: certificate().cert };
    return { line, url: `wss://127.0.0.1:${line.port}/tunnel`, options: { proxy: false, tls } };
  },
};

const squid: Way = {
  build: async (app, rate) => {
    const line = await startSlowLine(app, { rate, holds: HOLDS });
    const { port } = await startSquid();
    return {
      line,
      url: `ws://127.0.0.1:${line.port}/tunnel`,
      options: { proxy: `http://127.0.0.1:${port}` },
    };
  },
};

async function open(way: Way, rate: number, server: Partial<TunnelOptions>, client: ConnectOptions) {
  const backend = await startBackend();
  const site = await startTunnel({ server: { port: backend.port }, ...server });
  const { line, url, options } = await way.build(site.port, rate);
  const connected = backend.connection();
  const stream = connect(url, { ...options, ...client });
  // The proxies stop before the stream is destroyed.
  stream.on('error', () => undefined);
  onCleanup(() => stream.destroy());
  await once(stream, 'connect');
  return { backend, line, stream, tunnel: site.tunnel, own: await connected };
}

/** Waits for so many bytes, or for the end of the tunnel. */
async function arrives(stream: ClientStream, length: number): Promise<void> {
  let got = 0;
  stream.on('data', (chunk: Buffer) => (got += chunk.length));
  await until(() => got >= length || stream.destroyed);
  expect(got).toBe(length);
}

async function readsSlowly(way: Way): Promise<void> {
  await Promise.all(
    RATES.map(async (rate) => {
      const { stream, own, tunnel } = await open(way, rate, BEATS, NO_BEATS);
      const bytes = Buffer.alloc(rate * SECONDS);
      own.write(bytes);
      await arrives(stream, bytes.length);
      expect(tunnel.stats()).toMatchObject({ open: 1, closed: {} });
    }),
  );
}

async function sendsSlowly(way: Way): Promise<void> {
  await Promise.all(
    RATES.map(async (rate) => {
      // The server sends no PINGs: the client receives only the PONGs for the client's PINGs.
      const { stream, backend } = await open(way, rate, NO_BEATS, BEATS);
      const errors: Error[] = [];
      stream.on('error', (error) => errors.push(error)).resume();
      const bytes = Buffer.alloc(rate * SECONDS);
      stream.write(bytes);
      await until(() => backend.received().length === bytes.length || stream.destroyed);
      expect(errors).toEqual([]);
      expect(backend.received().length).toBe(bytes.length);
    }),
  );
}

describe('issue 12, case 4: the PONG deadline includes the time for bytes sent before the PING', () => {
  const timeout = 60_000;

  test('a client that only receives, at 8 to 250 kB/s, keeps its tunnel', { timeout }, () =>
    readsSlowly(direct),
  );
  test('a client that only sends keeps its tunnel', { timeout }, () => sendsSlowly(direct));

  describeWith('nginx', 'openssl')('behind nginx', () => {
    test('a client that only receives keeps its tunnel', { timeout }, () => readsSlowly(nginx));
    test('a client that only sends keeps its tunnel', { timeout }, () => sendsSlowly(nginx));
  });

  describeWith('squid')("through squid's CONNECT", () => {
    test('a client that only receives keeps its tunnel', { timeout }, () => readsSlowly(squid));
    test('a client that only sends keeps its tunnel', { timeout }, () => sendsSlowly(squid));
  });

  test('with both directions full, neither end is considered dead', { timeout }, async () => {
    const { stream, own, backend, tunnel } = await open(direct, 25_000, BEATS, BEATS);
    const bytes = Buffer.alloc(25_000 * SECONDS);
    own.write(bytes);
    stream.write(bytes);
    await arrives(stream, bytes.length);
    await until(() => backend.received().length === bytes.length || stream.destroyed);
    expect(tunnel.stats()).toMatchObject({ open: 1, closed: {} });
  });

  test.each([
    ['idle', 0],
    ['with bytes on their way', 20_000],
  ])('a client that is gone is detected, %s', { timeout }, async (_when, length) => {
    const { own, line, tunnel } = await open(direct, 8000, BEATS, NO_BEATS);
    const closed = once(tunnel, 'close') as Promise<[ClosedInfo]>;
    await until(() => line.passed.up > 200);
    line.cut();
    own.write(Buffer.alloc(length));
    const [{ code, reason }] = await closed;
    expect({ code, reason }).toEqual({ code: 1006, reason: 'the client was silent for 0.5 s after a PING' });
  });

  test.each([
    ['idle', 0],
    ['with bytes on their way', 20_000],
  ])('a server that is gone is detected, %s', { timeout }, async (_when, length) => {
    const { stream, line } = await open(direct, 8000, NO_BEATS, BEATS);
    const error = failed(stream);
    await until(() => line.passed.down > 200);
    line.cut();
    if (length > 0) stream.write(Buffer.alloc(length));
    expect(await error).toMatchObject({
      closeCode: 1006,
      reason: 'the server was silent for 0.5 s after a PING',
    });
  });
});
