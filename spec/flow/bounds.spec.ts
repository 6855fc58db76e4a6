import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { acceptedMark } from '../../src/streams/write-progress.js';
import { pump, settled, startProcess } from './bounds-process.js';
import { onCleanup } from '../support/cleanup.js';
import { closeFrame, frame } from '../support/raw-client.js';
import { listen } from '../support/servers.js';
import { until } from '../support/wait.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const CHUNK = 64 * KIB;

/** Memory of the process besides the queued bytes: a growing heap and uncollected garbage. */
const WARM = 64 * MIB;

const repeat = (part: Buffer, length: number) =>
  Buffer.concat(new Array<Buffer>(Math.floor(length / part.length)).fill(part));

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** The kernel buffers little in unix sockets: bytes are queued in the tunnel's process or in the test's. */
async function start(buffered: number) {
  const folder = mkdtempSync(join(tmpdir(), 'wstunnel-bounds-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
  const backends: Socket[] = [];
  const server = createServer({ pauseOnConnect: true }, (socket) => backends.push(socket));
  server.on('connection', (socket) => socket.on('error', () => undefined));
  await listen(server, join(folder, 'backend'));
  const child = await startProcess(
    { server: { socket: join(folder, 'backend') }, limits: { buffered }, pingInterval: 0 },
    join(folder, 'front'),
  );
  return { ...child, backends };
}

describe('the memory of stalled tunnels', () => {
  const TUNNELS = 200;
  const BUFFERED = 256 * KIB;
  const DOWN = Buffer.alloc(CHUNK, 'd');
  const UP = frame(2, Buffer.alloc(CHUNK - 8, 'u'));

  /** Sends `bytes` bytes each way into each tunnel while both ends read nothing; returns the memory used. */
  async function offer(bytes: number): Promise<number> {
    const { used, open, backends } = await start(BUFFERED);
    const clients: Socket[] = [];
    for (let i = 0; i < TUNNELS; i++) clients.push((await open()).pause());
    const { now: before } = await used();
    for (const client of clients) for (let i = 0; i < bytes / CHUNK; i++) client.write(UP);
    for (const backend of backends) for (let i = 0; i < bytes / CHUNK; i++) backend.write(DOWN);
    const all = [...clients, ...backends];
    await settled(() => all.reduce((sum, socket) => sum + acceptedMark(socket), 0));
    const { peak, open: stillOpen } = await used();
    expect(stillOpen).toBe(TUNNELS);
    return peak - before;
  }

  test('stays below their limit whatever the peer sends', { timeout: 60_000 }, async () => {
    const some = await offer(2 * MIB);
    // The queues were full in both directions.
    expect(some).toBeGreaterThan(TUNNELS * BUFFERED * 1.5);
    expect(some).toBeLessThan(TUNNELS * 2 * (BUFFERED + CHUNK) + WARM);
    const more = await offer(8 * MIB);
    expect(more).toBeLessThan(some * 1.2 + WARM / 2);
  });
});

describe('the memory of tiny frames', () => {
  const BUFFERED = 64 * KIB;
  const PIECES = 200_000;

  test('one byte amid a chunk of empty frames, to a backend that does not read, is bounded', async () => {
    const { used, open } = await start(BUFFERED);
    const client = await open();
    const empty = repeat(frame(0, '', { final: false }), CHUNK - 13);
    const block = Buffer.concat([frame(2, 'x', { final: false }), empty, frame(0)]);
    const { now: before } = await used();
    for (let i = 0; i < 8192; i++) client.write(block);
    await settled(() => acceptedMark(client));
    expect(client.writableLength).toBeGreaterThan(0);
    expect((await used()).peak - before).toBeLessThan(WARM);
  });

  test('single bytes to a backend that does not read are bounded', async () => {
    const { used, open } = await start(4 * BUFFERED);
    const client = await open();
    const { now: before } = await used();
    const byte = frame(2, 'x');
    for (let i = 0; i < PIECES; i++) {
      client.write(byte);
      await turn();
    }
    await settled(() => acceptedMark(client));
    expect((await used()).peak - before).toBeLessThan(WARM / 4);
  });

  test('single bytes to a client that does not read are bounded', async () => {
    const { used, open, backends } = await start(4 * BUFFERED);
    await open().then((client) => client.pause());
    const { now: before } = await used();
    const [backend] = backends;
    for (let i = 0; i < PIECES; i++) {
      backend!.write('x');
      await turn();
    }
    await settled(() => acceptedMark(backend!));
    expect((await used()).peak - before).toBeLessThan(WARM / 4);
  });

  test.each([0, 1, 125])('PINGs of %i bytes from a client that does not read are bounded', async (length) => {
    const { used, open } = await start(BUFFERED);
    const client = (await open()).pause();
    const { now: before } = await used();
    const block = repeat(frame(9, Buffer.alloc(length)), CHUNK);
    for (let i = 0; i < 8192; i++) client.write(block);
    await settled(() => acceptedMark(client));
    expect(client.writableLength).toBeGreaterThan(0);
    expect((await used()).peak - before).toBeLessThan(WARM);
  });
});

describe('processor time', () => {
  /** A client in the middle of a message, with warm code; `cost` counts all frames sent after that. */
  async function warm(block: Buffer) {
    const { used, open, backends } = await start(MIB);
    const client = await open();
    const [backend] = backends;
    let tail = '';
    backend!.on('data', (chunk: Buffer) => (tail = (tail + chunk.subarray(-3).toString()).slice(-3)));
    for (const socket of [client, backend!]) socket.resume();
    client.write(frame(2, 'x', { final: false }));
    await pump(client, block, 20);
    const { cpu: before } = await used();
    const cost = async () => (await used()).cpu - before;
    const end = async () => {
      client.write(frame(0, 'end'));
      await until(() => tail === 'end');
    };
    return { client, used, cost, end };
  }

  /** Nanoseconds per frame, averaged over many frames. */
  async function costOf(one: Buffer, blocks: number): Promise<number> {
    const block = repeat(one, CHUNK);
    const { client, cost, end } = await warm(block);
    await pump(client, block, blocks);
    await end();
    return ((await cost()) / (blocks * (block.length / one.length))) * 1e9;
  }

  const ORDINARY = frame(0, Buffer.alloc(KIB), { final: false });

  test('no kind of frame costs more than a frame of one kilobyte', { timeout: 60_000 }, async () => {
    const ordinary = await costOf(ORDINARY, 2000);
    // Each line sends one or two million frames.
    expect(await costOf(frame(0, '', { final: false }), 200)).toBeLessThan(ordinary);
    expect(await costOf(frame(0, 'x', { final: false }), 200)).toBeLessThan(ordinary);
    // Control frames need memory for a payload, and an answer.
    expect(await costOf(frame(9), 100)).toBeLessThan(2 * ordinary);
    expect(await costOf(frame(10), 100)).toBeLessThan(2 * ordinary);
    expect(await costOf(frame(9, Buffer.alloc(125)), 1000)).toBeLessThan(3 * ordinary);
  });

  test('a flood of Close frames costs no more than as many ordinary bytes', { timeout: 60_000 }, async () => {
    const ordinary = await warm(repeat(ORDINARY, CHUNK));
    await pump(ordinary.client, repeat(ORDINARY, CHUNK), 2000);
    await ordinary.end();
    const { client, used, cost } = await warm(repeat(ORDINARY, CHUNK));
    await pump(client, repeat(closeFrame(1000), CHUNK), 2000);
    client.end();
    await until(async () => (await used()).open === 0);
    expect(await cost()).toBeLessThan(1.5 * (await ordinary.cost()));
  });
});
