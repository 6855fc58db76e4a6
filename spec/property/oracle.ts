import { once } from 'node:events';
import type { Writable } from 'node:stream';
import fc from 'fast-check';
import * as ws from 'ws';

// `ws` exports both, but without types.
interface SendOptions {
  binary: boolean;
  fin: boolean;
  mask: boolean;
  compress: false;
}
interface Sender {
  send(data: Buffer, options: SendOptions): void;
  ping(data: Buffer, mask: boolean): void;
  pong(data: Buffer, mask: boolean): void;
  close(code: number | undefined, data: string, mask: boolean): void;
}
const { Sender, Receiver } = ws as unknown as {
  Sender: new (socket: object, extensions: object) => Sender;
  Receiver: new (options: { isServer: boolean }) => Writable;
};

/** A step of a client's stream. */
export type Step =
  | {
      readonly kind: 'message';
      readonly text: boolean;
      readonly fragments: Buffer[];
      readonly pings: Buffer[];
    }
  | { readonly kind: 'pong'; readonly payload: Buffer };

/** The messages of a stream, as any decoder reads them. */
export interface Heard {
  readonly payload: Buffer;
  readonly events: string[];
  /** The close code of a failure. */
  readonly failure: number | undefined;
}

/** The bytes that `ws` sends, as a client or, unmasked, as a server. PINGs go between the fragments. */
export function sentByWs(
  steps: readonly Step[],
  close?: { code: number | undefined; reason: string },
  mask = true,
): Buffer {
  const written: Buffer[] = [];
  const socket = {
    cork: () => undefined,
    uncork: () => undefined,
    write: (bytes: Buffer) => written.push(Buffer.from(bytes)),
  };
  const sender = new Sender(socket, {});
  for (const step of steps) {
    if (step.kind === 'pong') {
      sender.pong(Buffer.from(step.payload), mask);
      continue;
    }
    step.fragments.forEach((fragment, i) => {
      const fin = i === step.fragments.length - 1;
      sender.send(Buffer.from(fragment), { binary: !step.text, fin, mask, compress: false });
      const ping = step.pings[i];
      if (ping) sender.ping(Buffer.from(ping), mask);
    });
  }
  if (close) sender.close(close.code, close.reason, mask);
  return Buffer.concat(written);
}

/** Decodes a stream by `ws`, as a server or as a client. */
export async function heardByWs(chunks: readonly Uint8Array[], isServer: boolean): Promise<Heard> {
  const receiver = new Receiver({ isServer });
  const payload: Buffer[] = [];
  const events: string[] = [];
  let failure: number | undefined;
  receiver.on('message', (data: Buffer) => payload.push(data));
  receiver.on('ping', (data: Buffer) => events.push(`ping ${data.toString('latin1')}`));
  receiver.on('pong', () => events.push('pong'));
  receiver.on('conclude', (code: number, reason: Buffer) =>
    events.push(`close ${code} ${reason.toString()}`),
  );
  receiver.on('error', (error) => {
    const key = Object.getOwnPropertySymbols(error).find(({ description }) => description === 'status-code');
    failure = (error as unknown as Record<symbol, number>)[key!];
  });
  const closed = once(receiver, 'close').catch(() => undefined);
  for (const chunk of chunks) receiver.write(Buffer.from(chunk));
  receiver.end();
  await closed;
  return { payload: Buffer.concat(payload), events, failure };
}

export const bytesUpTo = (maxLength: number) =>
  fc.uint8Array({ maxLength, size: 'max' }).map((array) => Buffer.from(array));

const controlPayload = bytesUpTo(125);
const binary = fc.oneof(
  { weight: 6, arbitrary: bytesUpTo(300) },
  // Lengths around the limits of the two longer forms.
  { weight: 2, arbitrary: fc.integer({ min: 120, max: 130 }).map((length) => Buffer.alloc(length, 'edge')) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 65530, max: 65545 }).map((length) => Buffer.alloc(length, 'long')),
  },
);
const text = fc.string({ unit: 'binary', maxLength: 100 }).map((string) => Buffer.from(string));

/** A message in fragments, cut at any byte, also within a character. */
export const message: fc.Arbitrary<Step> = fc
  .record({
    text: fc.boolean(),
    cuts: fc.array(fc.nat(), { maxLength: 5 }),
    pings: fc.array(controlPayload, { maxLength: 6 }),
  })
  .chain(({ text: isText, cuts, pings }) =>
    (isText ? text : binary).map((whole) => {
      const edges = [0, ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length];
      const fragments = edges.slice(1).map((end, i) => whole.subarray(edges[i], end));
      return { kind: 'message' as const, text: isText, fragments, pings };
    }),
  );

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: message },
    { weight: 1, arbitrary: controlPayload.map((payload) => ({ kind: 'pong' as const, payload })) },
  ),
  { maxLength: 8 },
);

/** Sizes of the pieces of a stream: many small pieces, or a few large ones. */
export const chunkSizes = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 }),
  fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 10 }),
);

/** The bytes that the messages carry. */
export function payloadOf(all: readonly Step[]): Buffer {
  return Buffer.concat(all.flatMap((step) => (step.kind === 'message' ? step.fragments : [])));
}
