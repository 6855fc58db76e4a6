import { describe, expect, test } from 'vitest';
import { bytesOf, FilterRun, hex, rfb } from '../../support/rfb.js';

type Turn = readonly ['server' | 'client', Buffer];
const V = { 3: rfb.version('RFB 003.003\n'), 7: rfb.version('RFB 003.007\n'), 8: rfb.version() };
const CHALLENGE = Buffer.alloc(16, 'c');
const RESPONSE = Buffer.alloc(16, 'r');
const OK = hex('00000000');
const server = (...parts: (number | Buffer)[]): Turn => ['server', bytesOf(...parts)];
const client = (...parts: (number | Buffer)[]): Turn => ['client', bytesOf(...parts)];
const VNC = [server(CHALLENGE), client(RESPONSE), server(OK)];

const HANDSHAKES: Record<string, readonly Turn[]> = {
  '3.3, None': [server(V[3]), client(V[3]), server(hex('00000001')), client(1)],
  '3.3, VNC': [server(V[3]), client(V[3]), server(hex('00000002'), CHALLENGE), ...VNC.slice(1), client(1)],
  '3.7, None': [server(V[7]), client(V[7]), server(1, 1), client(1), client(1)],
  '3.7, VNC': [server(V[7]), client(V[7]), server(1, 2), client(2), ...VNC, client(1)],
  '3.8, None': [server(V[8]), client(V[8]), server(1, 1), client(1), server(OK), client(1)],
  '3.8, VNC': [server(V[8]), client(V[8]), server(2, 2, 1), client(2), ...VNC, client(1)],
  'an old page': [server(V[8]), client(V[3]), server(hex('00000001')), client(1)],
  Apple: [server(rfb.version('RFB 003.889\n')), client(V[8]), server(1, 2), client(2), ...VNC, client(1)],
};

/** Sends the turns in pieces of `size` bytes. Returns the bytes of each side. */
function play(run: FilterRun, turns: readonly Turn[], size = 1000): void {
  for (const [from, bytes] of turns)
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.subarray(at, at + size);
      if (from === 'server') run.out(piece);
      else run.in(piece);
    }
}

const sentBy = (from: 'server' | 'client', turns: readonly Turn[]): Buffer =>
  Buffer.concat(turns.filter(([who]) => who === from).map(([, bytes]) => bytes));

describe.each(Object.entries(HANDSHAKES))('%s', (_, turns) => {
  test('passes, wherever it is cut, and the messages after it are read', () => {
    for (let size = 1; size <= 16; size++) {
      const run = new FilterRun({ viewOnly: true });
      play(run, turns.slice(0, -1), size);
      expect([run.filter.isInOpen, run.filter.isOutOpen]).toEqual([false, false]);
      // The shared flag 0 becomes 1.
      run.in(bytesOf(0, rfb.key(), rfb.updateRequest()));
      expect(Buffer.concat(run.page)).toEqual(sentBy('server', turns));
      expect(Buffer.concat(run.backend)).toEqual(bytesOf(sentBy('client', turns), rfb.updateRequest()));
      expect(run.endings).toEqual([]);
      expect([run.filter.isInOpen, run.filter.isOutOpen]).toEqual([false, true]);
    }
  });

  test('a page that sends a byte before its turn ends the tunnel, and the byte does not pass', () => {
    for (let count = 0; count < turns.length; count++) {
      if (turns[count]![0] === 'client') continue;
      const run = new FilterRun({ viewOnly: true });
      play(run, turns.slice(0, count));
      const before = Buffer.concat(run.backend);
      expect(run.in(Buffer.from([1]))).toHaveLength(0);
      expect(run.reason).toBe('the client sent bytes before its turn in the handshake');
      expect(Buffer.concat(run.backend)).toEqual(before);
    }
  });

  test('a server that sends a byte before its turn ends the tunnel', () => {
    for (let count = 1; count < turns.length; count++) {
      if (turns[count]![0] === 'server') continue;
      const run = new FilterRun({ viewOnly: true });
      play(run, turns.slice(0, count));
      expect(run.out(Buffer.from([1]))).toHaveLength(0);
      expect(run.reason).toBe('the VNC server sent bytes before its turn in the handshake');
    }
  });
});

const FAILED = hex('00000001');
const TEXT = bytesOf(hex('00000005'), Buffer.from('wrong'));
const vncIn8 = HANDSHAKES['3.8, VNC']!.slice(0, 6);
const REFUSALS: Record<string, readonly Turn[]> = {
  'a wrong password in 3.8': [...vncIn8, server(FAILED, TEXT)],
  'too many passwords in 3.8': [...vncIn8, server(hex('00000002'), TEXT)],
  'a wrong password in 3.3': [...HANDSHAKES['3.3, VNC']!.slice(0, 4), server(FAILED)],
  'no types in 3.8': [server(V[8]), client(V[8]), server(0, TEXT)],
  'no type in 3.3': [server(V[3]), client(V[3]), server(hex('00000000'), TEXT)],
};

test.each(Object.entries(REFUSALS))(
  '%s: the reason reaches the page, and no later byte the backend',
  (_, turns) => {
    for (let size = 1; size <= 30; size++) {
      const run = new FilterRun({ viewOnly: true });
      play(run, turns, size);
      expect(Buffer.concat(run.page)).toEqual(sentBy('server', turns));
      expect(run.filter.isOutOpen).toBe(true);
      expect(run.filter.isInOpen).toBe(false);
      expect(run.in(bytesOf(1, rfb.key(), rfb.updateRequest()))).toHaveLength(0);
      expect(run.endings).toEqual([]);
      expect(Buffer.concat(run.backend)).toEqual(sentBy('client', turns));
    }
  },
);

test('a page is offered only the types that can be followed', () => {
  const run = new FilterRun({ viewOnly: true });
  play(run, [server(V[8]), client(V[8])]);
  expect(run.out(bytesOf(4, 19, 2))).toHaveLength(0);
  expect(run.out(bytesOf(30, 1))).toEqual(bytesOf(2, 2, 1));
});

const offered = [server(V[8]), client(V[8]), server(2, 19, 2)];
test.each<[string, readonly Turn[]]>([
  ['the backend is not a VNC server: it sent "SSH-2.0-Open"', [server(Buffer.from('SSH-2.0-OpenSSH_9'))]],
  ['the backend is not a VNC server: it sent "RFB 000.000"', [server(rfb.version('RFB 000.000\n'))]],
  ['the client speaks "RFB 003.008" to a VNC server of version 3.7', [server(V[7]), client(V[8])]],
  [
    'the client speaks "RFB 004.001" to a VNC server of version 3.8',
    [server(V[8]), client(rfb.version('RFB 004.001\n'))],
  ],
  [
    'the VNC server asks for VeNCrypt (type 19), Apple authentication (type 30), security type 77, which a tunnel cannot follow',
    [server(V[8]), client(V[8]), server(4, 19, 30, 77, 16)],
  ],
  [
    'the VNC server asks for VeNCrypt (type 19), which a tunnel cannot follow',
    [server(V[3]), client(V[3]), server(hex('00000013'))],
  ],
  ['the client chose security type 19, which was not offered', [...offered, client(19)]],
  ['the client chose security type 1, which was not offered', [...offered, client(1)]],
])('ends the tunnel: %s', (reason, turns) => {
  const run = new FilterRun({ watchesInput: true });
  play(run, turns);
  expect(run.endings).toEqual([{ cause: 'vnc-error', code: 1008, reason }]);
  expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
  expect(run.in(Buffer.from([1]))).toHaveLength(0);
  expect(run.out(Buffer.from([1]))).toHaveLength(0);
});
