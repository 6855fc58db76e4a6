import { isUtf8 } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { Utf8Checker, wholeCharacters } from '../../../src/frames/utf8.js';

// The bytes at which the rules of RFC 3629 section 4 change.
const EDGES = [
  0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xf5, 0xff,
];
const ALL = Array.from({ length: 256 }, (_, byte) => byte);
const range = (from: number, to: number) => ALL.slice(from, to + 1);

/** Checks the bytes in pieces; bit n of `cuts` is a cut after byte n. */
function check(bytes: Uint8Array, cuts: number): boolean {
  const checker = new Utf8Checker();
  let from = 0;
  for (let at = 1; at <= bytes.length; at++) {
    if (at < bytes.length && ((cuts >> (at - 1)) & 1) === 0) continue;
    if (!checker.push(bytes.subarray(from, at))) return false;
    from = at;
  }
  return checker.complete;
}

/** Compares with Node's check: every sequence of one byte from each list, cut in every way. */
function compare(...lists: number[][]): { wrong: string[]; good: number; bad: number } {
  const bytes = new Uint8Array(lists.length);
  const wrong: string[] = [];
  let good = 0;
  let bad = 0;
  const walk = (depth: number): void => {
    if (depth < lists.length) {
      for (const byte of lists[depth]!) {
        bytes[depth] = byte;
        walk(depth + 1);
      }
      return;
    }
    const expected = isUtf8(bytes);
    if (expected) good++;
    else bad++;
    for (let cuts = 0; cuts < 1 << (lists.length - 1); cuts++)
      if (check(bytes, cuts) !== expected) wrong.push(`${Buffer.from(bytes).toString('hex')} cut ${cuts}`);
  };
  walk(0);
  return { wrong: wrong.slice(0, 5), good, bad };
}

describe("agrees with Node's check, wherever the text is split", () => {
  test('for every byte', () => {
    expect(compare(ALL)).toEqual({ wrong: [], good: 128, bad: 128 });
  });

  test('for every two bytes', () => {
    expect(compare(ALL, ALL)).toEqual({ wrong: [], good: 128 * 128 + 1920, bad: 65536 - 128 * 128 - 1920 });
  });

  test('for every three bytes that start a character of three', () => {
    const { wrong, good } = compare(range(0xe0, 0xef), ALL, ALL);
    expect({ wrong, good }).toEqual({ wrong: [], good: 0x10000 - 0x800 - 0x800 });
  });

  test('for any other three bytes', () => {
    expect(compare([...range(0, 0xdf), ...range(0xf0, 0xff)], ALL, EDGES).wrong).toEqual([]);
  });

  test('for four bytes', () => {
    expect(compare(range(0xef, 0xf8), ALL, EDGES, EDGES).wrong).toEqual([]);
    expect(compare(EDGES, EDGES, EDGES, EDGES).wrong).toEqual([]);
  });

  test('for every character', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    for (let code = 0; code <= 0x10ffff; code++) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const bytes = Buffer.from(String.fromCodePoint(code));
      if (!check(bytes, 0) || !check(bytes, 7)) expect.unreachable(decoder.decode(bytes));
    }
  });
});

test('fails at the first byte after which no text can be valid', () => {
  const continuations = [0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf];
  const canEnd = (bytes: number[], more = 3): boolean =>
    isUtf8(Uint8Array.from(bytes)) ||
    (more > 0 && continuations.some((byte) => canEnd([...bytes, byte], more - 1)));
  for (const first of ALL) {
    expect(new Utf8Checker().push(Uint8Array.of(first)), `${first}`).toBe(canEnd([first]));
    if (first < 0xc0) continue;
    for (const second of EDGES) {
      const two = [first, second];
      expect(new Utf8Checker().push(Uint8Array.from(two)), two.join(' ')).toBe(canEnd(two));
      for (const third of EDGES) {
        const three = [first, second, third];
        expect(new Utf8Checker().push(Uint8Array.from(three)), three.join(' ')).toBe(canEnd(three));
      }
    }
  }
});

test('checks text in long chunks', () => {
  const text = Buffer.from('aé€🐘'.repeat(1000));
  for (let size = 1; size < 40; size++) {
    const checker = new Utf8Checker();
    for (let at = 0; at < text.length; at += size) {
      const end = Math.min(at + size, text.length);
      expect(checker.push(text.subarray(at, end))).toBe(true);
      expect(checker.complete).toBe(isUtf8(text.subarray(0, end)));
    }
  }
});

test('stays failed after an invalid byte', () => {
  for (const at of [0, 1, 500, 9_999]) {
    const bytes = Buffer.alloc(10_000, 'a');
    bytes[at] = 0xff;
    expect(new Utf8Checker().push(bytes)).toBe(false);
  }
});

test('ignores an empty chunk', () => {
  const checker = new Utf8Checker();
  expect([checker.push(Buffer.alloc(0)), checker.complete]).toEqual([true, true]);
  checker.push(Buffer.of(0xe2));
  expect([checker.push(Buffer.alloc(0)), checker.complete]).toEqual([true, false]);
});

test('reports where the last complete character ends', () => {
  const text = Buffer.from('aé€🐘z🐘');
  let end = 0;
  for (let cut = 0; cut <= text.length; cut++) {
    if (isUtf8(text.subarray(0, cut))) end = cut;
    expect(wholeCharacters(text.subarray(0, cut))).toBe(end);
  }
});
