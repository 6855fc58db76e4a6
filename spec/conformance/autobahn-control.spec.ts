import { conforms, type Case } from './run.js';
import { closeFrame, frame } from '../support/raw-client.js';

// Sections 2, 3 and 4 of the Autobahn testsuite, with the cases rewritten for a byte tunnel to an echo.
//
// Not checked: that the echo of a message arrives before the answer to a later failure. The tunnel answers the failure
// at once and drops later bytes of the backend. Checked instead: the message reaches the backend. Autobahn's cases
// "sent in one go" and "sent in several" are not separate tests here, because each stream is cut at every position.

const PING = 9;
const PONG = 10;
const TEXT = 'Hello, world!';
const bytes = (length: number, byte: number) => Buffer.alloc(length, byte);
const odd = Buffer.from([0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff]);
const ten = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
const long = bytes(125, 0xfe);

conforms('Autobahn 2 pings and pongs', [
  { name: '2.1 a PING without payload', frames: [frame(PING)], pongs: [''] },
  { name: '2.2 a PING with text', frames: [frame(PING, TEXT)], pongs: [TEXT] },
  { name: '2.3 a PING with binary', frames: [frame(PING, odd)], pongs: [odd.toString('latin1')] },
  { name: '2.4 a PING of 125 bytes', frames: [frame(PING, long)], pongs: [long.toString('latin1')] },
  { name: '2.5 a PING of 126 bytes', frames: [frame(PING, bytes(126, 0xfe))], code: 1002 },
  {
    name: '2.6 a PING of 125 bytes, byte by byte',
    frames: [frame(PING, long)],
    chop: 1,
    pongs: [long.toString('latin1')],
  },
  {
    name: '2.7 an unsolicited PONG without payload, Close',
    frames: [frame(PONG), closeFrame(1000)],
    code: 1000,
  },
  {
    name: '2.8 an unsolicited PONG with payload, Close',
    frames: [frame(PONG, 'unsolicited'), closeFrame(1000)],
    code: 1000,
  },
  {
    name: '2.9 an unsolicited PONG, then a PING',
    frames: [frame(PONG, 'unsolicited'), frame(PING, 'payload')],
    pongs: ['payload'],
  },
  { name: '2.10 ten PINGs', frames: ten.map((payload) => frame(PING, payload)), pongs: ten },
  {
    name: '2.11 ten PINGs, byte by byte',
    frames: ten.map((payload) => frame(PING, payload)),
    chop: 1,
    pongs: ten,
  },
]);

const text = frame(1, TEXT);
const ping = frame(PING);

conforms('Autobahn 3 reserved bits', [
  { name: '3.1 RSV 1 of text', frames: [frame(1, TEXT, { rsv: 1 })], code: 1002 },
  {
    name: '3.2 RSV 2 of text behind a good one, then a PING',
    frames: [text, frame(1, TEXT, { rsv: 2 }), ping],
    data: TEXT,
    code: 1002,
  },
  {
    name: '3.3 RSV 3 of text behind a good one, frame by frame',
    frames: [text, frame(1, TEXT, { rsv: 3 }), ping],
    chop: 'frames',
    data: TEXT,
    code: 1002,
  },
  {
    name: '3.4 RSV 4 of text behind a good one, byte by byte',
    frames: [text, frame(1, TEXT, { rsv: 4 }), ping],
    chop: 1,
    data: TEXT,
    code: 1002,
  },
  { name: '3.5 RSV 5 of binary', frames: [frame(2, odd, { rsv: 5 })], code: 1002 },
  { name: '3.6 RSV 6 of binary', frames: [frame(2, odd, { rsv: 6 })], code: 1002 },
  { name: '3.7 RSV 7 of a Close', frames: [frame(8, '', { rsv: 7 })], code: 1002 },
]);

/** The cases of a group: five opcodes, each in a different shape. */
const unknown = (group: string, opcodes: readonly number[]): Case[] =>
  opcodes.map((opcode, i) => {
    const behind = i >= 2;
    const wrong = frame(opcode, i === 0 || i === 2 ? '' : TEXT);
    return {
      name: `${group}.${i + 1} opcode ${opcode}${behind ? ' behind text, then a PING' : ''}${i === 4 ? ', byte by byte' : ''}`,
      frames: behind ? [text, wrong, ping] : [wrong],
      ...(i === 4 ? { chop: 1 } : {}),
      data: behind ? TEXT : '',
      code: 1002,
    };
  });

conforms('Autobahn 4.1 reserved opcodes of data frames', unknown('4.1', [3, 4, 5, 6, 7]));
conforms('Autobahn 4.2 reserved opcodes of control frames', unknown('4.2', [11, 12, 13, 14, 15]));
