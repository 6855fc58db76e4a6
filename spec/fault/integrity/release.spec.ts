import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import { expect, test } from 'vitest';
import { releaseAfter } from '../../../src/streams/release.js';
import { maskedFrame, runBackend, runClient, type Load } from '../../support/integrity/ends.js';
import { Random, seedOf } from '../../support/random.js';
import { startSite, upgradeOn, type Transport } from '../../support/integrity/site.js';
import { BLOCK, StreamCheck, StreamSource } from '../../support/integrity/stream.js';
import { listen, portOf } from '../../support/servers.js';
import { until } from '../../support/wait.js';

const seed = Number(process.env.FUZZ_SEED ?? Date.now() >>> 0);
const VICTIMS = 1000;

const ways: [Transport, text: boolean][] = [
  ['http', false],
  ['http', true],
  ['https', false],
  ['duplex', false],
];

test.each(ways)(
  'over %s, text: %s: connections lost during a write corrupt no other tunnel',
  async (transport, text) => {
    const load: Load = { seed, up: 1000 * BLOCK, down: 1000 * BLOCK, largest: 150_000, text };
    const random = new Random(seed);
    const backends: Promise<string>[] = [];
    const site = await startSite(
      transport,
      'tcp',
      (socket) => {
        const own = new Random(random.word());
        const served = runBackend(socket, load, own, () => false);
        backends.push(served.then(() => '', String));
        // The first block identifies a victim; the backend resets some of the victims.
        socket.once('data', (chunk: Buffer) => {
          if (!/^<u 0000(1[01]\d\d) /.test(chunk.toString('latin1', 0, 20)) || own.oneIn(2)) return;
          let left = own.between(1, 30);
          socket.on('data', () => {
            if (--left === 0) socket.resetAndDestroy();
          });
        });
      },
      { closeTimeout: 0.5, limits: { buffered: 65_536 }, ...(text && { frameType: 'text' }) },
    );
    const survivors = Array.from({ length: 12 }, async (_, tunnel) => {
      const own = new Random(seedOf(seed, tunnel));
      const socket = site.dial(own);
      await upgradeOn(socket);
      return runClient(socket, tunnel, load, own, true);
    });
    const victims = Array.from({ length: 60 }, async (_, at) => {
      const own = new Random(seedOf(seed, VICTIMS + at));
      const socket = site.dial(own);
      await upgradeOn(socket);
      const source = new StreamSource({ seed, tunnel: VICTIMS + at, direction: 'up' });
      if (own.oneIn(2)) socket.resume();
      for (let left = own.between(1, 12); left > 0 && !socket.destroyed; left--) {
        socket.write(maskedFrame(own, 2, source.next(own.between(BLOCK, 200_000))));
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.destroy();
    });
    await Promise.all(victims);
    expect(await Promise.all(survivors)).toEqual(Array.from({ length: 12 }, () => 1000));
    // A victim's stream is cut short, but the bytes that arrived are right.
    const wrong = /byte \d+ is|no stream begins|tunnel \d{1,3}:/;
    expect((await Promise.all(backends)).filter((error) => wrong.test(error))).toEqual([]);
    await until(() => site.tunnel.stats().open === 0);
    expect(site.tunnel.stats()).toMatchObject({ backends: [{ load: 0 }] });
  },
);

test('a chunk is freed after its write, never before, and never after a failed write', async () => {
  const name = { seed, tunnel: 7, direction: 'up' } as const;
  const check = new StreamCheck(name);
  const server = createServer((socket) => socket.on('error', () => undefined).pause());
  await listen(server);
  const accepted = once(server, 'connection');
  const socket = connect(portOf(server), '127.0.0.1');
  socket.on('error', () => undefined);
  const [far] = (await accepted) as [typeof socket];
  const source = new StreamSource(name);
  const chunks: { bytes: Buffer; state: 'waits' | 'written' | 'failed' }[] = [];
  // Some chunks are corked, so that one writev writes several; the kernel cannot accept all of them.
  for (let at = 0; at < 400; at++) {
    const chunk = { bytes: source.next(65_536), state: 'waits' as 'waits' | 'written' | 'failed' };
    chunks.push(chunk);
    if (at % 5 === 0) socket.cork();
    const release = releaseAfter(chunk.bytes);
    socket.write(chunk.bytes, (error) => {
      chunk.state = error ? 'failed' : 'written';
      release(error);
    });
    if (at % 5 === 3) socket.uncork();
  }
  socket.uncork();
  far.on('data', (chunk: Buffer) => {
    check.push(chunk);
    if (check.position > 8_000_000) far.pause();
  });
  far.resume();
  await until(() => check.position > 8_000_000);
  for (const { bytes, state } of chunks) expect(bytes.length).toBe(state === 'written' ? 0 : 65_536);
  socket.destroy();
  const late = { bytes: Buffer.alloc(65_536), error: undefined as Error | null | undefined };
  const release = releaseAfter(late.bytes);
  socket.write(late.bytes, (error) => release((late.error = error)));
  // Node reports the pending writes of a destroyed socket as successful, after the kernel has released the memory.
  await until(() => late.error !== undefined && chunks.every(({ state }) => state !== 'waits'));
  expect(late.error).toBeInstanceOf(Error);
  expect(late.bytes.length).toBe(65_536);
  for (const { bytes, state } of chunks) expect(bytes.length).toBe(state === 'written' ? 0 : 65_536);
  // A chunk that was detached while the kernel was using it would have arrived changed.
  expect(check.position).toBeGreaterThan(8_000_000);
});
