import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { FrameDecoder } from '../../../src/frames/decoder.js';
import { cutAt, decodeAll } from '../../support/decoding.js';
import { closeFrame, frame } from '../../support/raw-client.js';
import { until } from '../../support/wait.js';

const ignore = { ping: () => undefined, pong: () => undefined, close: () => undefined };
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const text = (payload: Uint8Array | string, final = true) => frame(1, payload, { final });
const more = (payload: Uint8Array | string, final = true) => frame(0, payload, { final });

describe('payloads', () => {
  test.each([0, 1, 125, 126, 127, 65535, 65536, 70000])('of %d bytes', (length) => {
    const payload = Buffer.from(Array.from({ length }, (_, i) => i * 7));
    const { payload: got, failure, done } = decodeAll(frame(2, payload));
    expect(got.equals(payload)).toBe(true);
    expect(failure).toBeUndefined();
    expect(done).toBe(false);
  });

  test('of text and binary messages are delivered alike', () => {
    expect(decodeAll(text('bücher '), frame(2, hex('00ff80'))).payload).toEqual(
      Buffer.concat([Buffer.from('bücher '), hex('00ff80')]),
    );
  });

  test('of all frames in a chunk are joined in place, in one Buffer', () => {
    const chunk = Buffer.concat([text('one '), frame(2, 'two ', { final: false }), frame(9), more('three')]);
    const payload = new FrameDecoder(ignore).decode(chunk);
    expect(payload.toString()).toBe('one two three');
    expect(payload.buffer).toBe(chunk.buffer);
    expect(payload.byteOffset).toBe(chunk.byteOffset);
  });

  test('of an incomplete frame are delivered at once', () => {
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = cutAt(frame(2, 'abcdefgh'), 9);
    const decoder = new FrameDecoder(ignore);
    expect(decoder.decode(Buffer.from(first)).toString()).toBe('abc');
    expect(decoder.decode(Buffer.from(second)).toString()).toBe('defgh');
  });

  test('with a mask of zeros are delivered', () => {
    const mask = Buffer.alloc(4);
    const two = Buffer.concat([frame(2, 'plain ', { mask }), frame(1, 'text', { mask })]);
    expect(decodeAll(two).payload.toString()).toBe('plain text');
  });

  test('of more than 4 GiB are delivered', () => {
    const decoder = new FrameDecoder(ignore);
    const block = Buffer.alloc(1024 * 1024);
    decoder.decode(hex('82 ff 0000000100000003 00000000'));
    for (let i = 0; i < 4096; i++) decoder.decode(block);
    const end = Buffer.concat([Buffer.from('end'), frame(2, ' and the next')]);
    expect(decoder.decode(end).toString()).toBe('end and the next');
    expect(decoder.failure).toBeUndefined();
  });

  test('of empty frames and empty messages deliver nothing', () => {
    const frames = [text(''), frame(2, '', { final: false }), more('', false), more('x', false), more('')];
    const { payload, failure } = decodeAll(Buffer.concat([...frames, frame(2, 'y')]));
    expect(payload.toString()).toBe('xy');
    expect(failure).toBeUndefined();
  });

  test('an empty chunk changes nothing', () => {
    expect(decodeAll(Buffer.alloc(0), frame(2, 'x'), Buffer.alloc(0)).payload.toString()).toBe('x');
  });
});

describe('control frames', () => {
  test('are delivered in order, also between fragments', () => {
    const { payload, events } = decodeAll(
      frame(9, 'first'),
      frame(2, 'a', { final: false }),
      Buffer.concat([frame(10, 'ignored'), frame(9, 'second'), more('b', false)]),
      frame(9, Buffer.alloc(125, 'x')),
      Buffer.concat([more('c'), closeFrame(4999, 'so long'), frame(2, 'late'), frame(9)]),
      frame(2, 'later'),
    );
    expect(payload.toString()).toBe('abc');
    expect(events).toEqual([
      'ping first',
      'pong',
      'ping second',
      `ping ${'x'.repeat(125)}`,
      'close 4999 so long',
    ]);
  });

  test('a Close ends decoding without a failure', () => {
    const { done, failure, events } = decodeAll(closeFrame(1000));
    expect({ done, failure, events }).toEqual({ done: true, failure: undefined, events: ['close 1000 '] });
  });

  test('a Close without a code is valid', () => {
    expect(decodeAll(closeFrame()).events).toEqual(['close 1005 ']);
  });

  test('a Close inside a fragmented text that is cut within a character is valid', () => {
    const { events, failure } = decodeAll(text(hex('e2 82'), false), closeFrame(1001));
    expect(events).toEqual(['close 1001 ']);
    expect(failure).toBeUndefined();
  });
});

describe('input split at every position', () => {
  const stream = Buffer.concat([
    text('grüße, ', false),
    frame(9, 'in between'),
    more('€ and 🐘', false),
    frame(10),
    more(''),
    frame(2, Buffer.alloc(130, 'binary')),
    frame(2, Buffer.alloc(66, 'long'), { mask: hex('80000001') }),
    text(''),
    frame(9, ''),
    text('the end'),
    closeFrame(3000, 'schluß'),
  ]);
  const whole = decodeAll(stream);

  test('where the rest of a header looks like a frame', () => {
    // The length and the key consist of bytes that could also start a frame.
    const bytes = frame(2, 'ab', { mask: hex('81 01 02 03') });
    const bytesAgain = frame(2, 'c'.repeat(0x8281), { mask: hex('82 81 82 81') });
    const whole = Buffer.concat([bytes, bytesAgain, bytes]);
    for (let at = 1; at < 32; at++)
      expect(decodeAll(...cutAt(whole, at)).payload.toString(), `cut at ${at}`).toBe(
        `ab${'c'.repeat(0x8281)}ab`,
      );
  });

  test('in one piece', () => {
    expect(whole.payload.toString()).toMatch(/^grüße, € and 🐘(binary)+bina(long)+lothe end$/);
    expect(whole.events).toEqual(['ping in between', 'pong', 'ping ', 'close 3000 schluß']);
    expect(whole.failure).toBeUndefined();
  });

  test('in two pieces', () => {
    for (let at = 0; at <= stream.length; at++) expect(decodeAll(...cutAt(stream, at))).toEqual(whole);
  });

  test('in three pieces', () => {
    for (let at = 0; at + 5 <= stream.length; at++)
      for (const gap of [1, 2, 5]) expect(decodeAll(...cutAt(stream, at, at + gap))).toEqual(whole);
  });

  test('byte by byte', () => {
    expect(decodeAll(...Array.from(stream, (byte) => Buffer.of(byte)))).toEqual(whole);
  });
});

describe("the decoder's memory", () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = () => {
    collect();
    return process.memoryUsage().arrayBuffers;
  };

  test('holds no bytes of a frame between chunks', async () => {
    const decoder = new FrameDecoder(ignore);
    const before = held();
    decoder.decode(hex('82 ff 0000000008000000 01020304'));
    let length = 0;
    for (let i = 0; i < 512; i++) length += decoder.decode(Buffer.alloc(65536)).length;
    expect(length).toBe(512 * 65536);
    // `arrayBuffers` includes garbage until the collector has swept.
    await until(() => held() - before < 1_000_000);
    expect(decoder.done).toBe(false);
  });

  test('is not reserved for an announced length', () => {
    const decoder = new FrameDecoder(ignore);
    const before = process.memoryUsage().arrayBuffers;
    decoder.decode(hex('81 ff 001fffffffffffff 01020304'));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100_000);
    expect(decoder.decode(Buffer.from('b`bd')).toString('latin1')).toBe('cba`');
  });
});
