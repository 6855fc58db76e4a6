import { conforms, type Case } from './run.js';
import { closeFrame, frame } from '../support/raw-client.js';

// Section 7 of the Autobahn testsuite, with the cases rewritten for a byte tunnel to an echo.
//
// Where Autobahn accepts several answers, these specs require one: a valid Close is answered with the same code, an
// invalid Close with 1002, or with 1007 if the reason is not UTF-8 (7.5.1). Not checked: that the echo of 7.1.6 arrives
// before the Close, which Autobahn does not require either. Checked instead: all bytes reach the backend.

const TEXT = 'Hello World!';
const large = Buffer.from('BAsd7&jh23'.repeat(26_215).slice(0, 256 * 1024));
const notUtf8 = Buffer.from('cebae1bdb9cf83cebcceb5eda080656469746564', 'hex');
const close = (reason: Buffer | string) =>
  frame(8, Buffer.concat([Buffer.from('03e8', 'hex'), Buffer.from(reason)]));

conforms('Autobahn 7.1 basic close behaviour', [
  { name: '7.1.1 a message and a Close', frames: [frame(1, TEXT), closeFrame(1000)], data: TEXT, code: 1000 },
  { name: '7.1.2 two Closes', frames: [closeFrame(1000), closeFrame()], code: 1000 },
  { name: '7.1.3 a PING behind the Close', frames: [closeFrame(1000), frame(9)], code: 1000 },
  { name: '7.1.4 text behind the Close', frames: [closeFrame(1000), frame(1, TEXT)], code: 1000 },
  {
    name: '7.1.5 a Close between two fragments',
    frames: [frame(1, 'fragment1', { final: false }), closeFrame(1000), frame(0, 'fragment2')],
    data: 'fragment1',
    code: 1000,
  },
  {
    name: '7.1.6 256 KiB of text, more text, a Close and a PING',
    frames: [frame(1, large), frame(1, TEXT), closeFrame(1000), frame(9)],
    data: Buffer.concat([large, Buffer.from(TEXT)]),
    code: 1000,
  },
]);

conforms('Autobahn 7.3 the payload of a Close', [
  { name: '7.3.1 no payload', frames: [closeFrame()], code: 1005 },
  { name: '7.3.2 one byte', frames: [frame(8, 'a')], code: 1002 },
  { name: '7.3.3 a code', frames: [closeFrame(1000)], code: 1000 },
  { name: '7.3.4 a code and a reason', frames: [closeFrame(1000, TEXT)], code: 1000 },
  { name: '7.3.5 a reason of 123 bytes', frames: [closeFrame(1000, '*'.repeat(123))], code: 1000 },
  { name: '7.3.6 a reason of 124 bytes', frames: [close('*'.repeat(124))], code: 1002 },
]);

conforms('Autobahn 7.5 the reason', [
  { name: '7.5.1 a reason that is not UTF-8', frames: [close(notUtf8)], code: 1007 },
]);

const codes = (group: string, list: readonly number[], answer: (code: number) => number): Case[] =>
  list.map((code, i) => ({
    name: `${group}.${i + 1} code ${code}`,
    frames: [closeFrame(code)],
    code: answer(code),
  }));

const GOOD = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
const BAD = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];

conforms(
  'Autobahn 7.7 valid close codes',
  codes('7.7', GOOD, (code) => code),
);
conforms(
  'Autobahn 7.9 invalid close codes',
  codes('7.9', BAD, () => 1002),
);
conforms(
  'Autobahn 7.13 codes that no one defines',
  codes('7.13', [5000, 65535], () => 1002),
);
