import { conforms, type Case } from './run.js';
import { frame } from '../support/raw-client.js';

// Section 5 of the Autobahn testsuite, with the cases rewritten for a byte tunnel to an echo.
//
// Not checked: that an unfinished message is not delivered (5.15 to 5.18, and every message that a failure interrupts).
// A tunnel streams: each fragment is delivered on arrival, and so are the fragments before a failure. The pause of one
// second in 5.19 is left out, because the stream is cut at every position anyway.

const PING = 9;
const PONG = 10;
const first = (payload: string) => frame(1, payload, { final: false });
const middle = (payload: string) => frame(0, payload, { final: false });
const last = (payload: string) => frame(0, payload);
const whole = frame(1, 'Hello, world!');

/** Autobahn sends most streams in three ways. */
const threeWays = (ids: readonly number[], what: string, rest: Omit<Case, 'name' | 'chop'>): Case[] => [
  { name: `5.${ids[0]!} ${what}`, ...rest },
  { name: `5.${ids[1]!} ${what}, frame by frame`, chop: 'frames', ...rest },
  { name: `5.${ids[2]!} ${what}, byte by byte`, chop: 1, ...rest },
];

const fragmentedControl = (opcode: number) => ({
  frames: [frame(opcode, 'fragment1', { final: false }), last('fragment2')],
  code: 1002,
});
const wrongTwice = (start: Buffer) => {
  const once = [start, first('fragment2'), last('fragment3')];
  return { frames: [...once, ...once], code: 1002 };
};
const five = {
  frames: [
    ...[first('fragment1'), middle('fragment2'), frame(PING, 'pongme 1!')],
    ...[middle('fragment3'), middle('fragment4'), frame(PING, 'pongme 2!'), last('fragment5')],
  ],
  data: 'fragment1fragment2fragment3fragment4fragment5',
  pongs: ['pongme 1!', 'pongme 2!'],
};

conforms('Autobahn 5 fragmentation', [
  { name: '5.1 a PING in fragments', ...fragmentedControl(PING) },
  { name: '5.2 a PONG in fragments', ...fragmentedControl(PONG) },
  ...threeWays([3, 4, 5], 'text in two fragments', {
    frames: [first('fragment1'), last('fragment2')],
    data: 'fragment1fragment2',
  }),
  ...threeWays([6, 7, 8], 'text in two fragments, a PING between them', {
    frames: [first('fragment1'), frame(PING, 'ping payload'), last('fragment2')],
    data: 'fragment1fragment2',
    pongs: ['ping payload'],
  }),
  ...threeWays([9, 10, 11], 'a final continuation of nothing, then text', {
    frames: [last('non-continuation'), whole],
    code: 1002,
  }),
  ...threeWays([12, 13, 14], 'a continuation of nothing, then text', {
    frames: [middle('non-continuation'), whole],
    code: 1002,
  }),
  {
    name: '5.15 a continuation behind the last fragment, then text',
    frames: [first('fragment1'), last('fragment2'), middle('fragment3'), frame(1, 'fragment4')],
    data: 'fragment1fragment2',
    code: 1002,
  },
  {
    name: '5.16 twice: a continuation of nothing, then text in two fragments',
    ...wrongTwice(middle('fragment1')),
  },
  {
    name: '5.17 twice: a final continuation of nothing, then text in two fragments',
    ...wrongTwice(last('fragment1')),
  },
  {
    name: '5.18 text whose second fragment is no continuation',
    frames: [first('fragment1'), frame(1, 'fragment2')],
    data: 'fragment1',
    code: 1002,
  },
  { name: '5.19 text in five fragments with two PINGs', ...five },
  { name: '5.20 text in five fragments with two PINGs, frame by frame', chop: 'frames', ...five },
]);
