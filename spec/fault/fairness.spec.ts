import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { maskedFrame } from '../support/integrity/ends.js';
import { runTunnels } from '../support/integrity/run.js';
import { startSite, upgradeOn, type Transport } from '../support/integrity/site.js';
import { BLOCK } from '../support/integrity/stream.js';
import { Random } from '../support/random.js';
import { sleep, undisturbed } from '../support/wait.js';

/** Milliseconds in which each tunnel must move. */
const WINDOW = 3000;

const PIECE = Buffer.alloc(64 * 1024, 'x');

/** The kinds of tunnels, named by the first byte of the client. */
const KINDS = ['upload', 'download', 'echo', 'stalled', 'dribbled'] as const;
type Kind = (typeof KINDS)[number];

/** Writes pieces as fast as the stream accepts them. */
function pour(to: Duplex, piece: () => Buffer): void {
  const fill = () => {
    while (!to.destroyed && to.write(piece()));
  };
  to.on('drain', fill);
  fill();
}

/** Blocks the event loop for 50 ms, five times a second. */
function startBlocking(): void {
  const timer = setInterval(() => {
    const began = performance.now();
    while (performance.now() - began < 50);
  }, 200);
  onCleanup(() => clearInterval(timer));
}

function serve(socket: Socket, moved: (bytes: number) => void): void {
  socket.once('data', (first: Buffer) => {
    const kind = KINDS[first[0] ?? 0];
    if (kind === 'stalled') {
      socket.pause();
      return;
    }
    if (kind === 'download') pour(socket, () => PIECE);
    const take = (chunk: Buffer) => {
      if (kind === 'echo') socket.write(chunk);
      else moved(chunk.length);
    };
    // TCP may join the first byte and the first payload.
    if (first.length > 1) take(first.subarray(1));
    socket.on('data', take);
  });
}

/** Sends or reads as the kind says, and counts the bytes that reached the other end. */
function use(socket: Duplex, kind: Kind, random: Random, moved: (bytes: number) => void): void {
  const send = (payload: Buffer) => maskedFrame(random, 2, payload);
  socket.write(send(Buffer.from([KINDS.indexOf(kind)])));
  const bulk = send(PIECE);
  if (kind === 'upload' || kind === 'stalled') pour(socket, () => bulk);
  socket.on('data', (chunk: Buffer) => {
    moved(chunk.length);
    if (kind === 'echo') socket.write(send(Buffer.from('key')));
  });
  if (kind === 'echo') socket.write(send(Buffer.from('key')));
  if (kind !== 'dribbled') return;
  // A frame in packets of one byte.
  const frame = send(Buffer.alloc(100, 'd'));
  let at = 0;
  const timer = setInterval(() => {
    socket.write(frame.subarray(at, at + 1));
    at = (at + 1) % frame.length;
  }, 2);
  onCleanup(() => clearInterval(timer));
}

test.each<Transport>(['http', 'https', 'h2', 'duplex'])(
  'over %s each tunnel moves beside 32 bulk tunnels, of which half stall, in an app that blocks',
  async (transport) => {
    const counts = new Map<Socket, number>();
    const site = await startSite(transport, 'tcp', (socket) => {
      counts.set(socket, 0);
      serve(socket, (bytes) => counts.set(socket, (counts.get(socket) ?? 0) + bytes));
    });
    const random = new Random(7);
    const kinds: Kind[] = [
      ...Array.from({ length: 16 }, (): Kind => 'stalled'),
      ...Array.from({ length: 8 }, (): Kind => 'upload'),
      ...Array.from({ length: 8 }, (): Kind => 'download'),
      'echo',
      'dribbled',
    ];
    const tunnels: { kind: Kind; received: number; at: () => number }[] = [];
    for (const kind of kinds) {
      const before = new Set(counts.keys());
      const socket = site.dial(random);
      await upgradeOn(socket);
      const [backend] = [...counts.keys()].filter((one) => !before.has(one));
      const tunnel = {
        kind,
        received: 0,
        at: () => tunnel.received + (backend ? (counts.get(backend) ?? 0) : 0),
      };
      use(socket, kind, random, (bytes) => (tunnel.received += bytes));
      tunnels.push(tunnel);
    }
    startBlocking();
    await undisturbed(5, async () => {
      const before = tunnels.map((one) => one.at());
      // On an idle machine, some milliseconds suffice. A busy machine also delays the clients of this test.
      await sleep(WINDOW);
      const starved = tunnels.filter((one, at) => one.kind !== 'stalled' && one.at() === before[at]);
      expect(starved.map(({ kind }) => kind)).toEqual([]);
    });
    expect(site.tunnel.stats().open).toBe(kinds.length);
  },
);

test.each<Transport>(['http', 'https', 'duplex'])(
  'over %s every byte arrives in its place in an app that blocks now and then',
  async (transport) => {
    startBlocking();
    const load = { seed: 11, up: 300 * BLOCK, down: 300 * BLOCK, largest: 70_000 };
    const { codes } = await runTunnels({ transport, backend: 'tcp', tunnels: 20, load });
    expect(codes).toEqual(Array.from({ length: 20 }, () => 1000));
  },
);
