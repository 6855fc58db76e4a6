import { describe, expect, test } from 'vitest';
import { cutAt, decodeAll } from '../../support/decoding.js';
import { closeFrame, frame } from '../../support/raw-client.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const opened = frame(2, 'x', { final: false });
const openedText = frame(1, 'x', { final: false });

describe('RFC 6455 section 5', () => {
  const rules: Record<string, [stream: Buffer, reason: RegExp]> = {
    'reserved bit 1': [frame(2, 'x', { rsv: 4 }), /reserved/],
    'reserved bit 2': [frame(2, 'x', { rsv: 2 }), /reserved/],
    'reserved bit 3': [frame(2, 'x', { rsv: 1 }), /reserved/],
    'a reserved bit of a control frame': [frame(9, 'x', { rsv: 4 }), /reserved/],
    'a frame without mask': [frame(2, 'x', { mask: null }), /masked/],
    'a PING without mask': [frame(9, '', { mask: null }), /masked/],
    'a Close without mask': [hex('88 02 03e8'), /masked/],
    'a PING in fragments': [frame(9, 'x', { final: false }), /fragmented/],
    'a PONG in fragments': [frame(10, 'x', { final: false }), /fragmented/],
    'a Close in fragments': [frame(8, '', { final: false }), /fragmented/],
    'a PING of 126 bytes': [frame(9, Buffer.alloc(126)), /125/],
    'a PONG of 70000 bytes': [frame(10, Buffer.alloc(70_000)), /125/],
    'a Close of 126 bytes': [frame(8, Buffer.alloc(126, 'x')), /125/],
    'a PING whose length is written long': [hex('89 fe 0004 00000000 61626364'), /125/],
    'a continuation of nothing': [frame(0, 'x'), /continuation/],
    'a continuation behind a whole message': [Buffer.concat([frame(2, 'x'), frame(0, 'x')]), /continuation/],
    'a continuation behind the last fragment': [
      Buffer.concat([opened, frame(0, 'x'), frame(0, 'x', { final: false })]),
      /continuation/,
    ],
    'a binary message inside a fragmented one': [Buffer.concat([openedText, frame(2, 'x')]), /inside/],
    'a text message inside a fragmented one': [
      Buffer.concat([opened, frame(9), frame(1, 'x', { final: false })]),
      /inside/,
    ],
    '125 bytes with 16 bits of length': [hex('82 fe 007d 00000000'), /shortest/],
    '0 bytes with 16 bits of length': [hex('82 fe 0000 00000000'), /shortest/],
    '65535 bytes with 64 bits of length': [hex('82 ff 000000000000ffff 00000000'), /shortest/],
    '1 byte with 64 bits of length': [hex('81 ff 0000000000000001 00000000'), /shortest/],
    'the top bit of a 64-bit length': [hex('82 ff 8000000000000000 00000000'), /2\^63/],
    'a Close with half a code': [frame(8, 'x'), /truncated/],
  };

  test.each(Object.entries(rules))('%s is a protocol error', (_, [stream, reason]) => {
    const { failure, done, payload } = decodeAll(frame(2, 'before '), stream, frame(2, 'after'));
    expect(failure).toMatchObject({ code: 1002, reason: expect.stringMatching(reason) as string });
    expect(done).toBe(true);
    expect(payload.toString()).toMatch(/^before x*$/);
  });

  test.each(Object.entries(rules))('%s is found wherever the chunks are split', (_, [stream]) => {
    const whole = decodeAll(stream.subarray(0, 300));
    for (let at = 0; at <= Math.min(stream.length, 300); at++)
      expect(decodeAll(...cutAt(stream.subarray(0, 300), at))).toEqual(whole);
  });

  test.each([3, 4, 5, 6, 7, 11, 12, 13, 14, 15])('opcode %d is unknown', (opcode) => {
    for (const stream of [frame(opcode, 'x'), Buffer.concat([opened, frame(opcode, 'x')])])
      expect(decodeAll(stream).failure).toMatchObject({ code: 1002, reason: 'unknown opcode' });
  });

  test.each([
    ['unmasked', '82 05'],
    ['reserved bits', 'c2 85'],
    ['an unknown opcode', '83 85'],
    ['a continuation', '80 85'],
    ['a fragmented PING', '09 80'],
    ['an oversize PING', '89 fe'],
  ])('%s: the first two bytes are enough', (_, start) => {
    expect(decodeAll(hex(start)).failure?.code).toBe(1002);
  });

  test('a frame above 2^53 - 1 bytes is too big', () => {
    expect(decodeAll(hex('82 ff 0020000000000000 00000000')).failure?.code).toBe(1009);
    expect(decodeAll(hex('82 ff 7fffffffffffffff 00000000')).failure?.code).toBe(1009);
    expect(decodeAll(hex('82 ff 001fffffffffffff 00000000')).failure).toBeUndefined();
  });

  test('bytes before a failure in the same chunk are delivered', () => {
    const chunk = Buffer.concat([frame(2, 'kept '), frame(9, 'heard'), frame(2, 'too'), frame(0, 'lost')]);
    const { payload, events } = decodeAll(chunk);
    expect(payload.toString()).toBe('kept too');
    expect(events).toEqual(['ping heard']);
  });
});

describe('close codes', () => {
  test.each([0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65535])(
    '%d is refused in a Close',
    (code) => {
      expect(decodeAll(closeFrame(code)).failure?.code).toBe(1002);
    },
  );

  test.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])(
    '%d is accepted in a Close',
    (code) => {
      expect(decodeAll(closeFrame(code, 'why')).events).toEqual([`close ${code} why`]);
    },
  );

  test.each(['ff', 'c3', '61 e2 82', 'ed a0 80', 'c0 80'])('a reason of %s is not UTF-8', (reason) => {
    const { failure, events } = decodeAll(frame(8, Buffer.concat([hex('03e8'), hex(reason)])));
    expect(failure?.code).toBe(1007);
    expect(events).toEqual([]);
  });
});

describe('text that is not UTF-8', () => {
  const text = (bytes: string, final = true) => frame(1, hex(bytes), { final });
  const more = (bytes: string, final = true) => frame(0, hex(bytes), { final });

  test.each([
    ['a lone continuation', [text('61 80')]],
    ['an overlong form', [text('c0 af')]],
    ['a surrogate', [text('ed a0 80')]],
    ['above U+10FFFF', [text('f4 90 80 80')]],
    ['the end inside a character', [text('61 e2 82')]],
    ['the end inside a character, over fragments', [text('e2', false), more('82')]],
    ['the end inside a character, in an empty fragment', [text('e2 82', false), frame(9), more('')]],
    ['a broken character over fragments', [text('e2', false), frame(9, '82'), more('28 a1')]],
    ['in a later fragment', [text('61', false), more('62', false), more('ff', false)]],
  ])('%s', (_, frames) => {
    const stream = Buffer.concat(frames);
    for (let at = 0; at <= stream.length; at++)
      expect(decodeAll(...cutAt(stream, at)).failure).toMatchObject({ code: 1007 });
  });

  test('a character split over fragments with a PING between is valid', () => {
    const stream = Buffer.concat([text('f0', false), frame(9, hex('ff')), more('9f', false), more('90 98')]);
    expect(decodeAll(stream)).toMatchObject({
      failure: undefined,
      events: ['ping ÿ'],
      payload: Buffer.from('🐘'),
    });
  });

  test('fails in the middle of a frame, at the first invalid byte', () => {
    const [start = Buffer.alloc(0), wrong = Buffer.alloc(0)] = cutAt(
      frame(1, Buffer.concat([Buffer.alloc(100, 'a'), hex('e2 28'), Buffer.alloc(900, 'a')])),
      8 + 101,
      8 + 102,
    );
    expect(decodeAll(start)).toMatchObject({ failure: undefined, done: false });
    expect(decodeAll(start, wrong)).toMatchObject({ failure: { code: 1007 }, done: true });
  });

  test('binary messages may contain any bytes, also in a continuation', () => {
    const stream = [frame(2, hex('ff fe'), { final: false }), more('c3 28', false), more('e2 82')];
    expect(decodeAll(Buffer.concat(stream)).failure).toBeUndefined();
  });

  test('each message is checked separately', () => {
    expect(decodeAll(text('c3 a9'), frame(2, hex('ff')), text('e2 82 ac')).failure).toBeUndefined();
    expect(decodeAll(text('61'), text('a9')).failure?.code).toBe(1007);
  });
});
