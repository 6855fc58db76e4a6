import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameDecoder } from '../../src/frames/decoder.js';
import { TextMessages } from '../../src/frames/text-messages.js';
import { cutInto } from '../support/decoding.js';
import { chunkSizes, sentByWs, steps, type Step } from './oracle.js';

/** What arrives, in the order of delivery; payload of neighbours is joined. */
type Heard = { readonly text: string } | { readonly bytes: string };

/** The order in which a client has sent, by the steps alone. */
function expected(all: readonly Step[]): Heard[] {
  const heard: Heard[] = [];
  for (const step of all) {
    if (step.kind === 'pong') continue;
    const whole = Buffer.concat(step.fragments);
    if (step.text) heard.push({ text: whole.toString() });
    else if (whole.length > 0) heard.push({ bytes: whole.toString('latin1') });
  }
  return joined(heard);
}

function decoded(chunks: readonly Uint8Array[]) {
  const heard: Heard[] = [];
  const controls: string[] = [];
  const messages = new TextMessages();
  const decoder = new FrameDecoder({
    ping: (payload) => controls.push(`ping ${payload.toString('latin1')}`),
    pong: () => controls.push('pong'),
    close: (code) => controls.push(`close ${code}`),
    messages,
  });
  for (const chunk of chunks) {
    const bytes = decoder.decode(Buffer.from(chunk));
    let at = 0;
    for (const { text, after } of messages.take() ?? []) {
      if (after > at) heard.push({ bytes: bytes.toString('latin1', at, after) });
      heard.push({ text });
      at = after;
    }
    if (bytes.length > at) heard.push({ bytes: bytes.toString('latin1', at) });
  }
  return { heard: joined(heard), controls, failure: decoder.failure };
}

function joined(heard: readonly Heard[]): Heard[] {
  const all: Heard[] = [];
  for (const one of heard) {
    const last = all.at(-1);
    if (last && 'bytes' in last && 'bytes' in one) all[all.length - 1] = { bytes: last.bytes + one.bytes };
    else all.push(one);
  }
  return all;
}

test('text messages, payload and control frames of a client arrive in order, however they are split', () => {
  fc.assert(
    fc.property(steps, chunkSizes, (all, sizes) => {
      const { heard, controls, failure } = decoded(cutInto(sentByWs(all), sizes));
      expect(failure).toBeUndefined();
      expect(heard).toEqual(expected(all));
      expect(controls).toEqual(
        all.flatMap((step) =>
          step.kind === 'pong'
            ? ['pong']
            : step.pings.slice(0, step.fragments.length).map((ping) => `ping ${ping.toString('latin1')}`),
        ),
      );
    }),
    { numRuns: 1000 },
  );
});

test('arbitrary bytes cause no throw, and the same messages however they are split', () => {
  const spoiled = fc.record({
    all: steps,
    wrong: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 3 }),
    sizes: chunkSizes,
  });
  fc.assert(
    fc.property(spoiled, ({ all, wrong, sizes }) => {
      const stream = sentByWs(all);
      for (const [at, flip] of wrong) {
        const place = at % Math.max(1, stream.length);
        stream[place] = (stream[place] ?? 0) ^ flip;
      }
      const whole = decoded([stream]);
      const parts = decoded(cutInto(stream, sizes));
      expect(parts).toEqual(whole);
    }),
    { numRuns: 1000 },
  );
});
