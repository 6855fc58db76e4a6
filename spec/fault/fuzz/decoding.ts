import type { Writable } from 'node:stream';
import * as ws from 'ws';
import { FrameDecoder } from '../../../src/frames/decoder.js';

// `ws` exports the Receiver, but without types. `_write` is called directly, to avoid the delays of a stream.
const { Receiver } = ws as unknown as {
  Receiver: new (options: { isServer: boolean }) => Writable & {
    _write(chunk: Buffer, encoding: string, done: (error?: Error & Record<symbol, number>) => void): void;
  };
};

/** The result of decoding a stream of frames. */
export interface Outcome {
  readonly payload: Buffer;
  readonly events: readonly string[];
  readonly code: number | undefined;
  readonly reason: string;
}

const AFTER = Buffer.from('82818080808041', 'hex');

/** Decodes the chunks and checks the rules that apply to every input; an error names the broken rule. */
export function decodeChecked(chunks: readonly Buffer[]): Outcome {
  const events: string[] = [];
  const parts: Buffer[] = [];
  const decoder = new FrameDecoder({
    ping: (payload) => {
      if (payload.length > 125) throw new Error('a PING of more than 125 bytes');
      events.push(`ping ${payload.toString('latin1')}`);
    },
    pong: () => events.push('pong'),
    close: (code, reason) => events.push(`close ${code} ${reason}`),
  });
  for (const piece of chunks) {
    const chunk = Buffer.from(piece);
    const wasDone = decoder.done;
    const before = events.length;
    const bytes = decoder.decode(chunk);
    if (bytes.length > chunk.length) throw new Error('more came out than went in');
    if (bytes.buffer !== chunk.buffer || bytes.byteOffset !== chunk.byteOffset)
      throw new Error('the result is no part of the chunk');
    if (wasDone && (bytes.length > 0 || events.length > before))
      throw new Error('something was decoded after the end');
    parts.push(Buffer.from(bytes));
  }
  const { failure, done } = decoder;
  const closes = events.filter((event) => event.startsWith('close'));
  if (closes.length > 1 || (closes.length === 1 && events.at(-1) !== closes[0]))
    throw new Error('something came after the Close');
  if (done !== (failure !== undefined || closes.length === 1))
    throw new Error('done without a Close or failure');
  if (failure && closes.length > 0) throw new Error('both a Close and a failure');
  if (done && decoder.decode(Buffer.from(AFTER)).length > 0)
    throw new Error('a frame was read after the end');
  return { payload: Buffer.concat(parts), events, code: failure?.code, reason: failure?.reason ?? '' };
}

/** The result of `ws`. */
export function decodeByWs(chunks: readonly Buffer[]): Outcome {
  const receiver = new Receiver({ isServer: true });
  const parts: Buffer[] = [];
  const events: string[] = [];
  let code: number | undefined;
  let reason = '';
  receiver.on('message', (data: Buffer) => parts.push(data));
  receiver.on('ping', (data: Buffer) => events.push(`ping ${data.toString('latin1')}`));
  receiver.on('pong', () => events.push('pong'));
  receiver.on('conclude', (closeCode: number, text: Buffer) =>
    events.push(`close ${closeCode} ${text.toString()}`),
  );
  for (const piece of chunks) {
    if (code !== undefined || events.at(-1)?.startsWith('close')) break;
    receiver._write(Buffer.from(piece), 'buffer', (error) => {
      if (!error) return;
      const key = Object.getOwnPropertySymbols(error).find(
        ({ description }) => description === 'status-code',
      );
      code = error[key!];
      reason = error.message;
    });
  }
  return { payload: Buffer.concat(parts), events, code, reason };
}

/** Invalid UTF-8 drops the rest of a chunk, so after a failure 1007 the cuts decide how many bytes were delivered. */
export function assertSame(one: Outcome, other: Outcome, how: string): void {
  const [short, long] = [one.payload, other.payload].sort((a, b) => a.length - b.length) as [Buffer, Buffer];
  const same = one.code === 1007 ? long.subarray(0, short.length).equals(short) : long.equals(short);
  if (!same) throw new Error(`${how}: another payload`);
  if (one.events.join('\n') !== other.events.join('\n'))
    throw new Error(`${how}: other events: ${JSON.stringify([one.events, other.events])}`);
  if (one.code !== other.code || one.reason !== other.reason)
    throw new Error(`${how}: ${one.code} ${one.reason} and ${other.code} ${other.reason}`);
}

// `ws` accepts lengths that are not in the shortest form, and reports the top bit of a length differently.
const STRICTER = /shortest|2\^63/;

// `ws` reports these failures at the first bytes of a frame, our decoder after the whole header or payload.
const BEFORE_US = /invalid payload length 1$|Unsupported WebSocket frame/;

/**
 * `ws` delivers whole messages only, checks text at the end of a message, and makes some checks a few bytes before our
 * decoder. So our decoder delivers at least the same bytes, and fails with the same code, or one decoder fails later.
 */
export function assertLikeWs(ours: Outcome, theirs: Outcome): void {
  const [few, many] = STRICTER.test(ours.reason) ? [ours, theirs] : [theirs, ours];
  const early = ours.code === 1007;
  if (few === theirs && !many.payload.subarray(0, few.payload.length).equals(few.payload))
    throw new Error('ws: another payload');
  const [a, b] = early || few === ours ? [ours, theirs] : [theirs, ours];
  const same = a.events.every((event, i) => event === b.events[i]);
  if (!same || (!early && few === theirs && ours.events.length !== theirs.events.length))
    throw new Error(`ws: other events: ${JSON.stringify([ours.events, theirs.events])}`);
  if (few === ours || early || ours.code === theirs.code) return;
  if (ours.code === undefined && BEFORE_US.test(theirs.reason)) return;
  throw new Error(`ws: ${theirs.code} ${theirs.reason}, ours ${ours.code} ${ours.reason}`);
}
