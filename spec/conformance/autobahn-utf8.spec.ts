import { describe, expect, test } from 'vitest';
import { conforms, heardBy, overSockets, startSite, type Case } from './run.js';
import { frame } from '../support/raw-client.js';

// Section 6 of the Autobahn testsuite, with the cases rewritten for a byte tunnel to an echo.
//
// Not checked: that an invalid message is not delivered. A tunnel also streams text: earlier chunks are delivered
// before the invalid byte arrives. How much of the chunk with the invalid byte is delivered depends on how the network
// cuts the stream, but the invalid byte and later bytes are never delivered.

const hex = (bytes: string) => Buffer.from(bytes.replaceAll(' ', ''), 'hex');
const KOSME = hex('ceba e1bdb9 cf83 cebc ceb5');
const EDITED = Buffer.from('edited');

/** All bytes before the first invalid byte, according to ICU. */
function goodPart(bytes: Buffer): Buffer {
  for (let end = 1; end <= bytes.length; end++) {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end), { stream: true });
    } catch {
      return bytes.subarray(0, end - 1);
    }
  }
  return bytes;
}

const good = (name: string, payload: Buffer): Case => ({ name, frames: [frame(1, payload)], data: payload });
const bad = (name: string, payload: Buffer, frames = [frame(1, payload)]): Case => ({
  name,
  frames,
  data: goodPart(payload),
  code: 1007,
});

/** The frames of a message in fragments of one byte. */
function byBytes(payload: Buffer): Buffer[] {
  return [...payload].map((byte, i) =>
    frame(i === 0 ? 1 : 0, Buffer.of(byte), { final: i === payload.length - 1 }),
  );
}

const empty = (opcode: number, final = false) => frame(opcode, '', { final });
const HELLO = Buffer.from('Hello-µ@ßöäüàá-UTF-8!!');
const half = Buffer.byteLength('Hello-µ@ßöä');
const surrogate = Buffer.concat([KOSME, hex('eda080'), EDITED]);

conforms('Autobahn 6.1 text without payload', [
  { name: '6.1.1 an empty message', frames: [frame(1)] },
  { name: '6.1.2 three empty fragments', frames: [empty(1), empty(0), empty(0, true)] },
  {
    name: '6.1.3 three fragments, only the middle one not empty',
    frames: [empty(1), frame(0, 'middle', { final: false }), empty(0, true)],
    data: 'middle',
  },
]);

conforms('Autobahn 6.2 valid text', [
  good('6.2.1 in one frame', HELLO),
  {
    name: '6.2.2 in two fragments, cut between characters',
    frames: [frame(1, HELLO.subarray(0, half), { final: false }), frame(0, HELLO.subarray(half))],
    data: HELLO,
  },
  { name: '6.2.3 in fragments of one byte', frames: byBytes(HELLO), data: HELLO },
  { name: '6.2.4 in fragments of one byte, letters of two and three', frames: byBytes(KOSME), data: KOSME },
]);

conforms('Autobahn 6.3 invalid text', [
  bad('6.3.1 in one frame', surrogate),
  bad('6.3.2 in fragments of one byte', surrogate, byBytes(surrogate)),
]);

describe('Autobahn 6.4 fails at the invalid byte, not at the end of the message', () => {
  const tooHigh = Buffer.concat([KOSME, hex('f4908080'), EDITED]);
  const inFrames = (...edges: number[]) =>
    [0, ...edges].map((start, i) =>
      frame(i === 0 ? 1 : 0, tooHigh.subarray(start, edges[i] ?? tooHigh.length), {
        final: i === edges.length,
      }),
    );
  const inChops = (...edges: number[]) => {
    const one = frame(1, tooHigh);
    return [0, ...edges].map((start, i) =>
      one.subarray(start === 0 ? 0 : start + 6, (edges[i] ?? tooHigh.length) + 6),
    );
  };
  const { length } = KOSME;

  test.each<[name: string, parts: Buffer[]]>([
    ['6.4.1 in the second of three fragments', inFrames(length, length + 4)],
    ['6.4.2 in a fragment of its own', inFrames(length + 1, length + 2)],
    ['6.4.3 in the second of three chops of a frame', inChops(length, length + 4)],
    ['6.4.4 in a chop of its own', inChops(length + 1, length + 2)],
  ])('%s', async (name, [first, second, third]) => {
    expect(heardBy(first!)).toMatchObject({ code: undefined });
    expect(heardBy(first!, second!)).toMatchObject({ code: 1007 });
    const site = await startSite();
    // The third part is never written, because the Close must arrive without it.
    const heard = await overSockets(site, [first!, second!]);
    expect(heard.code, name).toBe(1007);
    expect(goodPart(tooHigh).subarray(0, heard.data.length).equals(heard.data)).toBe(true);
    expect(heard.data.length).toBeGreaterThanOrEqual(length);
    expect((await overSockets(site, [first!, second!, third!])).code).toBe(1007);
  });
});

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const lonely = (from: number, to: number) =>
  Buffer.from(range(from, to).flatMap((byte) => [byte, 0x20])).toString('hex');
const CUT = [
  'c0',
  'e080',
  'f08080',
  'f8808080',
  'fc80808080',
  'df',
  'efbf',
  'f7bfbf',
  'fbbfbfbf',
  'fdbfbfbfbf',
];
const hello = (bytes: string) =>
  `${Buffer.from('hello').toString('hex')}${bytes}${Buffer.from('world').toString('hex')}`;
const nonCharacters = ['f0', 'f1', 'f2', 'f3', 'f4'].flatMap((first) =>
  ['8f', '9f', 'af', 'bf'].flatMap((second) => {
    // Left out: overlong sequences, and characters above U+10FFFF.
    if (first === 'f0' ? second === '8f' : first === 'f4' && second !== '8f') return [];
    return ['be', 'bf'].map((end) => `${first}${second}bf${end}`);
  }),
);

/** Autobahn's groups 6.5 to 6.23, each a list of messages in one frame, of which the first `goodOnes` are valid. */
const groups: [what: string, goodOnes: number, messages: string[]][] = [
  ['some valid text', 5, [...['24', 'c2a2', 'e282ac', 'f0a4ada2'].map(hello), KOSME.toString('hex')]],
  // In 6.6 the messages that end with a whole character are valid.
  ['each start of a valid text', NaN, range(1, KOSME.length + 1).map((end) => KOSME.toString('hex', 0, end))],
  ['the first sequence of a length', 4, ['00', 'c280', 'e0a080', 'f0908080']],
  ['the first sequence of 5 and 6 bytes', 0, ['f888808080', 'fc8480808080']],
  ['the last sequence of a length', 4, ['7f', 'dfbf', 'efbfbf', 'f48fbfbf']],
  ['the last sequence of 4, 5 and 6 bytes', 0, ['f7bfbfbf', 'fbbfbfbfbf', 'fdbfbfbfbfbf']],
  ['other boundaries', 4, ['ed9fbf', 'ee8080', 'efbfbd', 'f48fbfbf', 'f4908080']],
  [
    'unexpected continuation bytes',
    0,
    [
      ...['80', 'bf', '80bf', '80bf80', '80bf80bf', '80bf80bf80', '80bf80bf80bf'],
      Buffer.from(range(0x80, 0xbf)).toString('hex'),
    ],
  ],
  [
    'lonely first bytes',
    0,
    [lonely(0xc0, 0xdf), lonely(0xe0, 0xef), lonely(0xf0, 0xf7), lonely(0xf8, 0xfb), lonely(0xfc, 0xfd)],
  ],
  ['without the last byte', 0, CUT],
  ['incomplete sequences in a row', 0, [CUT.join('')]],
  ['impossible bytes', 0, ['fe', 'ff', 'fefeffff']],
  ['overlong ASCII', 0, ['c0af', 'e080af', 'f08080af', 'f8808080af', 'fc80808080af']],
  ['the largest overlong sequences', 0, ['c1bf', 'e09fbf', 'f08fbfbf', 'f887bfbfbf', 'fc83bfbfbfbf']],
  ['overlong NUL', 0, ['c080', 'e08080', 'f0808080', 'f880808080', 'fc8080808080']],
  ['single surrogates', 0, ['eda080', 'edadbf', 'edae80', 'edafbf', 'edb080', 'edbe80', 'edbfbf']],
  [
    'pairs of surrogates',
    0,
    ['eda080', 'edadbf', 'edae80', 'edafbf'].flatMap((high) => [`${high}edb080`, `${high}edbfbf`]),
  ],
  ['code points that are no characters', 34, ['efbfbe', 'efbfbf', ...nonCharacters]],
  ['specials', 7, range(0xb9, 0xc0).map((end) => `efbf${end.toString(16)}`)],
];

const WHOLE = [2, 5, 7, 9, 11];

conforms(
  'Autobahn 6.5 to 6.23',
  groups.flatMap(([what, goodOnes, messages], g) =>
    messages.map((message, i) => {
      const name = `6.${g + 5}.${i + 1} ${what}`;
      const isGood = g === 1 ? WHOLE.includes(i + 1) : i < goodOnes;
      return isGood ? good(name, hex(message)) : bad(name, hex(message));
    }),
  ),
);
