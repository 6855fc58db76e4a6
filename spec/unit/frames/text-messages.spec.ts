import { describe, expect, test } from 'vitest';
import { FrameDecoder } from '../../../src/frames/decoder.js';
import { MAX_MESSAGE, TextMessages } from '../../../src/frames/text-messages.js';
import { cutInto } from '../../support/decoding.js';
import { closeFrame, frame } from '../../support/raw-client.js';

const text = (payload: Uint8Array | string, final = true) => frame(1, payload, { final });
const more = (payload: Uint8Array | string, final = true) => frame(0, payload, { final });
const binary = (payload: Uint8Array | string, final = true) => frame(2, payload, { final });

/** Decodes chunks: messages as `text:...`, payload as `bytes:...`, control frames by name, in the order of delivery. */
function collect(...chunks: Uint8Array[]) {
  const steps: string[] = [];
  const messages = new TextMessages();
  const decoder = new FrameDecoder({
    ping: (payload) => steps.push(`ping:${payload.toString()}`),
    pong: () => steps.push('pong'),
    close: (code) => steps.push(`close:${code}`),
    messages,
  });
  for (const chunk of chunks) {
    const bytes = decoder.decode(Buffer.from(chunk));
    let at = 0;
    const deliver = (end: number) => {
      if (end > at) steps.push(`bytes:${bytes.toString('latin1', at, end)}`);
      at = end;
    };
    for (const message of messages.take() ?? []) {
      deliver(message.after);
      steps.push(`text:${message.text}`);
    }
    deliver(bytes.length);
  }
  return { steps, failure: decoder.failure };
}

test('a text message is collected, and is no payload', () => {
  expect(collect(text('{"cols":80}')).steps).toEqual(['text:{"cols":80}']);
});

test('an empty text message is a message', () => {
  expect(collect(text('')).steps).toEqual(['text:']);
  expect(collect(text('', false), more('', false), more('')).steps).toEqual(['text:']);
});

test('payload and messages of one chunk keep their order', () => {
  const chunk = Buffer.concat([
    binary('ab'),
    text('1'),
    binary('c'),
    binary('d'),
    text('2'),
    text('3'),
    binary('e'),
  ]);
  expect(collect(chunk).steps).toEqual(['bytes:ab', 'text:1', 'bytes:cd', 'text:2', 'text:3', 'bytes:e']);
});

test('fragments are joined, with control frames in between', () => {
  const chunk = Buffer.concat([text('bü', false), frame(9, 'p'), more('ch', false), frame(10), more('er')]);
  expect(collect(chunk).steps).toEqual(['ping:p', 'pong', 'text:bücher']);
});

test('a message over many chunks is collected byte by byte, within a character as well', () => {
  const stream = Buffer.concat([text('grüße €', false), more(' 🖥'), binary('x')]);
  expect(collect(...cutInto(stream, [1])).steps).toEqual(['text:grüße € 🖥', 'bytes:x']);
});

test('a fragmented binary message stays payload', () => {
  expect(collect(Buffer.concat([binary('a', false), more('b')])).steps).toEqual(['bytes:ab']);
});

test('messages before a Close are delivered, after it none', () => {
  const { steps, failure } = collect(Buffer.concat([text('1'), closeFrame(1000), text('2')]));
  expect(steps).toEqual(['close:1000', 'text:1']);
  expect(failure).toBeUndefined();
});

describe('the limit of a message', () => {
  const most = 'x'.repeat(MAX_MESSAGE);

  test.each([
    ['in one frame', [text(most)]],
    ['in fragments', [text(most.slice(1), false), more('x')]],
  ])('a message of 4,096 bytes passes %s', (_, frames) => {
    expect(collect(...frames).steps).toEqual([`text:${most}`]);
  });

  test.each([
    ['one frame', [text(`${most}x`)]],
    ['fragments', [text(most, false), more('x')]],
    ['a header alone', [frame(1, '', { length: 1_000_000 })]],
    ['bytes, not characters', [text('é'.repeat(MAX_MESSAGE / 2 + 1))]],
  ])('a longer message ends the decoding: %s', (_, frames) => {
    const { steps, failure } = collect(Buffer.concat([binary('before'), ...frames, binary('after')]));
    expect(steps).toEqual(['bytes:before']);
    expect(failure).toMatchObject({ cause: 'message-too-large', code: 1009 });
  });

  test('counts each message anew', () => {
    expect(collect(text(most), text(most)).steps).toHaveLength(2);
  });

  test('a binary message may be longer', () => {
    expect(collect(binary('x'.repeat(MAX_MESSAGE + 1))).failure).toBeUndefined();
  });
});

test.each([
  ['an invalid byte', [text(Buffer.from([0x61, 0xff]))]],
  ['an end inside a character', [text(Buffer.from([0xc3]))]],
  ['an invalid byte in a fragment', [text('a', false), more(Buffer.from([0xff]))]],
])('text that is not UTF-8 is refused: %s', (_, frames) => {
  const { steps, failure } = collect(Buffer.concat([binary('before'), text('1'), ...frames]));
  // No byte of the message is payload.
  expect(steps).toEqual(['bytes:before', 'text:1']);
  expect(failure).toMatchObject({ cause: 'not-utf8', code: 1007 });
});

test('the text of a message does not change with the chunk', () => {
  const messages = new TextMessages();
  const decoder = new FrameDecoder({ ping() {}, pong() {}, close() {}, messages });
  const chunk = Buffer.from(text('steady'));
  decoder.decode(chunk);
  chunk.fill(0);
  expect(messages.take()).toEqual([{ text: 'steady', after: 0 }]);
  expect(messages.take()).toBeUndefined();
});
