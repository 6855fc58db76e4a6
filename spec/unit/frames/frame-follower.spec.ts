import { describe, expect, test } from 'vitest';
import { FrameFollower, PING_SIZE } from '../../../src/frames/frame-follower.js';
import { cutInto } from '../../support/decoding.js';
import { followAll } from '../../support/following.js';
import { closeFrame, frame } from '../../support/raw-client.js';

const owner = { removesPong: () => false, removesClose: () => false };

describe('the follower of frames', () => {
  test('returns the chunk itself, without a copy, if all of the chunk passes', () => {
    const follower = new FrameFollower('client', false, owner);
    const chunk = Buffer.concat([frame(2, 'one'), frame(9, 'ping'), frame(1, 'two', { length: 50 })]);
    expect(follower.follow(chunk)).toBe(chunk);
    expect(follower.missing).toBe(47);
  });

  test('holds back a header, and at most 131 bytes of a control frame', () => {
    const ping = frame(9, Buffer.alloc(125));
    const { passed } = followAll('client', [frame(2, 'x'), ping.subarray(0, 130)]);
    expect(passed.equals(frame(2, 'x'))).toBe(true);
    const whole = followAll('client', cutInto(ping, [1]));
    expect(whole.passed.equals(ping)).toBe(true);
  });

  test('lets reserved bits pass only if extensions were negotiated', () => {
    const compressed = frame(2, 'x', { rsv: 4 });
    expect(followAll('client', [compressed]).failure).toMatchObject({ code: 1002 });
    expect(followAll('client', [compressed], { hasExtensions: true }).passed.equals(compressed)).toBe(true);
  });

  test('passes no byte of an invalid frame, however it is split', () => {
    const good = frame(2, 'good');
    const bad = frame(2, Buffer.alloc(200)).fill(0, 2, 4);
    for (const sizes of [[1], [7], [1000]]) {
      const { passed, failure } = followAll('client', cutInto(Buffer.concat([good, bad]), sizes));
      expect(passed.equals(good)).toBe(true);
      expect(failure?.reason).toBe('a length not in its shortest form');
    }
  });

  test('leaves a Close out if its owner wants so, and follows no frame after it', () => {
    const bytes = Buffer.concat([frame(2, 'x'), closeFrame(1000, 'bye'), frame(2, 'y')]);
    const { passed, closed } = followAll('client', [bytes], { removesClose: () => true });
    expect(passed.equals(frame(2, 'x'))).toBe(true);
    expect(closed).toEqual({ code: 1000, reason: 'bye' });
  });

  test('counts a frame of 2^53 - 1 bytes, and refuses a longer one', () => {
    const header = (length: bigint) => {
      const bytes = Buffer.alloc(14);
      bytes.writeUInt16BE(0x82ff, 0);
      bytes.writeBigUInt64BE(length, 2);
      return bytes;
    };
    expect(followAll('client', [header(2n ** 53n - 1n)]).missing).toBe(Number.MAX_SAFE_INTEGER);
    expect(followAll('client', [header(2n ** 53n)]).failure?.cause).toBe('frame-too-large');
  });
});

test.each<[string, Buffer, string]>([
  ['client', Buffer.from([0x82, 0x01, 0x78]), 'client frames must be masked'],
  ['server', frame(2, 'x'), 'server frames must not be masked'],
  ['client', frame(3, 'x'), 'unknown opcode'],
  ['client', frame(11, 'x'), 'unknown opcode'],
  ['client', Buffer.from([0x09, 0x80, 0, 0, 0, 0]), 'a control frame may not be fragmented'],
  ['client', Buffer.concat([Buffer.from([0x89, 0xfe, 0, 126]), Buffer.alloc(130)]), 'at most 125 bytes'],
  ['client', Buffer.concat([Buffer.from([0x82, 0xff, 0x80]), Buffer.alloc(11)]), 'a length above 2^63 - 1'],
  ['client', frame(8, Buffer.of(3)), 'truncated close code'],
  ['client', closeFrame(1005), 'close code 1005 may not be sent'],
  ['client', frame(8, Buffer.of(3, 232, 0xff)), 'a close reason that is not UTF-8'],
])('a %s that sends %o breaks the protocol: %s', (from, bytes, reason) => {
  const { passed, failure, closed } = followAll(from as 'client', [bytes]);
  expect(passed).toHaveLength(0);
  expect(closed).toBeUndefined();
  expect(failure?.reason).toContain(reason);
});

describe('a header that is split between two chunks', () => {
  const message = frame(2, Buffer.alloc(64, 'x'));
  const messages = Buffer.concat(Array.from({ length: 1000 }, () => message));

  test('passes before the rest of the second chunk, which is not copied', () => {
    const one = new FrameFollower('client', false, owner);
    const [first, second] = [messages.subarray(0, 73), messages.subarray(73)];
    expect(one.follow(first).length).toBe(70);
    const rest = one.follow(second);
    expect(one.front).toEqual(message.subarray(0, 6));
    expect(rest.buffer).toBe(messages.buffer);
    expect(Buffer.concat([one.front, rest])).toEqual(messages.subarray(70));
  });

  test('passes once', () => {
    const one = new FrameFollower('client', false, owner);
    one.follow(messages.subarray(0, 73));
    one.follow(messages.subarray(73, 140));
    one.follow(messages.subarray(140));
    expect(one.front.length).toBe(0);
  });

  test('of a PONG that is removed does not pass', () => {
    const one = new FrameFollower('client', false, { ...owner, removesPong: () => true });
    const pong = frame(10, Buffer.alloc(PING_SIZE));
    expect(one.follow(pong.subarray(0, 3)).length).toBe(0);
    const rest = one.follow(Buffer.concat([pong.subarray(3), message]));
    expect(one.front.length).toBe(0);
    expect(rest).toEqual(message);
  });
});
