import { expect, test } from 'vitest';
import { SafeTerminal } from '../../../src/command/play/safe-terminal.js';

const ESC = '\u001b';

test.each([
  ['saved and restored cursor', `a${ESC}7b${ESC}8c`, `a${ESC}7b${ESC}8c`],
  ['keypad modes, index and reset', `${ESC}=${ESC}>${ESC}D${ESC}M${ESC}ca`, `${ESC}=${ESC}>${ESC}D${ESC}Ma`],
  ['a test pattern with an intermediate character', `${ESC}#8a${ESC} Fb`, 'ab'],
  ['character sets', `${ESC}(0x${ESC}(Bx${ESC}(Zx`, `${ESC}(0x${ESC}(Bxx`],
  ['CAN and SUB end a sequence', `${ESC}]0;t\u0018a${ESC}[3\u001ab`, 'ab'],
  ['an escape within a string ends it', `${ESC}Pq${ESC}[31ma`, `${ESC}[31ma`],
])('%s', (_what, input, output) => {
  expect(new TextDecoder().decode(Buffer.from(new SafeTerminal().pass(Buffer.from(input))))).toBe(output);
  const byByte = new SafeTerminal();
  expect([...Buffer.from(input)].map((byte) => byByte.pass(Buffer.of(byte))).join('')).toBe(output);
});
