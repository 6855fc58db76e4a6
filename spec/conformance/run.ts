import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { cutAt, cutInto, decodeAll } from '../support/decoding.js';
import { closeFrame, openRaw } from '../support/raw-client.js';
import { startBackend, startTunnel } from '../support/servers.js';
import { DEADLINE } from '../support/wait.js';

/** A client's stream, and the required result of a tunnel to an echo. */
export interface Case {
  readonly name: string;
  readonly frames: readonly Buffer[];
  /** The stream is written at once, or frame by frame, or in pieces of this number of bytes. */
  readonly chop?: 'frames' | number;
  /** The bytes that reach the backend. */
  readonly data?: string | Buffer;
  /** The payloads of the PONGs. */
  readonly pongs?: readonly string[];
  /** The code of the tunnel's Close; if undefined, the tunnel stays open. */
  readonly code?: number;
}

/** The result of a stream. Payloads of PONGs are read as latin1. */
interface Heard {
  readonly data: Buffer;
  readonly pongs: string[];
  readonly code: number | undefined;
}

/** Larger streams are not cut at every byte, because all positions within a payload are alike. */
const SMALL = 4096;

/** Three tests for each case: uncut, cut at every position, and cut over real sockets. */
export function conforms(title: string, cases: readonly Case[]): void {
  const named = cases.map((one): [string, Case] => [one.name, one]);
  describe(title, () => {
    test.each(named)('%s', async (_, one) => {
      check(one, await overSockets(await startSite(), piecesOf(one)));
    });

    test.each(named)('%s: cut at every position', (_, one) => {
      const stream = Buffer.concat(one.frames);
      check(one, heardBy(stream));
      for (const at of decoderCuts(one)) check(one, heardBy(...cutAt(stream, at)), `cut at ${at}`);
      if (stream.length <= SMALL) check(one, heardBy(...cutInto(stream, [1])), 'by bytes');
    });

    test.each(named)('%s: cut over sockets', async (_, one) => {
      const site = await startSite();
      const stream = Buffer.concat(one.frames);
      for (const at of socketCuts(one))
        check(one, await overSockets(site, cutAt(stream, at)), `cut at ${at}`);
    });
  });
}

export function check(one: Case, heard: Heard, how = 'as it is'): void {
  const data = Buffer.from(one.data ?? '');
  const { pongs = [], code } = one;
  expect({ pongs: heard.pongs, code: heard.code }, how).toEqual({ pongs, code });
  // Large payloads are not printed.
  expect(data.equals(heard.data), `${how}: the data`).toBe(true);
}

export function heardBy(...chunks: Buffer[]): Heard {
  const { payload, events, failure } = decodeAll(...chunks);
  const closed = events.find((event) => event.startsWith('close '));
  return {
    data: payload,
    pongs: events.filter((event) => event.startsWith('ping ')).map((event) => event.slice(5)),
    code: failure?.code ?? (closed === undefined ? undefined : Number(closed.split(' ')[1])),
  };
}

/** A tunnel to an echo that records the bytes of each connection. */
export interface Site {
  readonly port: number;
  accepted(): Promise<Socket>;
  connected(): Promise<{ data: Promise<Buffer> }>;
}

export async function startSite(): Promise<Site> {
  const backend = await startBackend();
  const { server, port } = await startTunnel({ server: { port: backend.port } });
  return {
    port,
    accepted: async () => (await once(server, 'connection'))[0] as Socket,
    connected: async () => {
      const socket = await backend.connection();
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      const data = once(socket, 'end').then(() => Buffer.concat(chunks));
      socket.pipe(socket);
      return { data };
    },
  };
}

/** Writes each piece after the previous piece was read. The client closes a tunnel that stays open with 1000. */
export async function overSockets(site: Site, pieces: readonly Buffer[]): Promise<Heard> {
  const [accepted, connected] = [site.accepted(), site.connected()];
  const client = await openRaw(site.port);
  const socket = await accepted;
  const { data } = await connected;
  client.socket.setNoDelay(true);
  for (const piece of pieces) {
    const read = socket.bytesRead + piece.length;
    if (piece.length === 0) continue;
    client.send(piece);
    for (const deadline = performance.now() + DEADLINE; socket.bytesRead < read && !socket.destroyed;) {
      if (performance.now() > deadline)
        throw new Error(`only ${socket.bytesRead} bytes of ${read} were read`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const expected = heardBy(Buffer.concat(pieces));
  const echo: Buffer[] = [];
  const pongs: string[] = [];
  let code: number | undefined;
  let open = expected.code === undefined;
  const missing = () =>
    Buffer.concat(echo).length < expected.data.length || pongs.length < expected.pongs.length;
  for (;;) {
    if (open && !missing()) {
      client.send(closeFrame(1000));
      open = false;
    }
    const next = await client.frame();
    if (!next) break;
    if (next.opcode === 10) pongs.push(next.payload.toString('latin1'));
    else if (next.opcode < 3) echo.push(next.payload);
    else code = next.payload.length === 0 ? 1005 : next.payload.readUInt16BE();
  }
  // The server ends the connection first, and nothing follows its Close.
  client.socket.end();
  const received = await data;
  const back = Buffer.concat(echo);
  expect(received.subarray(0, back.length).equals(back), 'the echo').toBe(true);
  if (expected.code !== undefined) return { data: received, pongs, code };
  expect({ length: back.length, code }).toEqual({ length: received.length, code: 1000 });
  return { data: received, pongs, code: undefined };
}

export function piecesOf({ frames, chop }: Case): Buffer[] {
  if (chop === 'frames') return [...frames];
  return chop === undefined ? [Buffer.concat(frames)] : cutInto(Buffer.concat(frames), [chop]);
}

/** The first and last 20 positions, and the positions around every frame header. */
function socketCuts({ frames }: Case): number[] {
  const length = frames.reduce((sum, frame) => sum + frame.length, 0);
  const cuts = new Set<number>();
  for (let at = 1; at <= 20; at++) cuts.add(at).add(length - at);
  let start = 0;
  for (const frame of frames) {
    const header = start + headerSize(frame);
    for (const at of [start - 1, start, start + 1, start + 2, header - 1, header, header + 1]) cuts.add(at);
    start += frame.length;
  }
  return [...cuts].filter((at) => at > 0 && at < length);
}

/** All positions; in a large stream those around headers and every 251st, a prime, to meet each phase of the mask. */
function decoderCuts(one: Case): Iterable<number> {
  const length = one.frames.reduce((sum, frame) => sum + frame.length, 0);
  if (length <= SMALL) return Array.from({ length: length + 1 }, (_, at) => at);
  const cuts = new Set(socketCuts(one));
  for (let at = 0; at <= length; at += 251) cuts.add(at);
  return cuts;
}

function headerSize(frame: Buffer): number {
  const short = frame[1]! & 0x7f;
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + ((frame[1]! & 0x80) === 0 ? 0 : 4);
}
