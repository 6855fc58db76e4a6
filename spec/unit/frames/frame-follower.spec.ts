import { describe, expect, test } from 'vitest';
import { FrameFollower, PING_SIZE } from '../../../src/frames/frame-follower.js';

const masked = (first: number, payload: Buffer) =>
  Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), payload]);

function follower(removesPong = false): FrameFollower {
  return new FrameFollower('client', false, { removesPong: () => removesPong, removesClose: () => false });
}

describe('a header that is split between two chunks', () => {
  const message = masked(0x82, Buffer.alloc(64, 'x'));
  const messages = Buffer.concat(Array.from({ length: 1000 }, () => message));

  test('passes before the rest of the second chunk, which is not copied', () => {
    const one = follower();
    const [first, second] = [messages.subarray(0, 73), messages.subarray(73)];
    expect(one.follow(first).length).toBe(70);
    const rest = one.follow(second);
    expect(one.front).toEqual(message.subarray(0, 6));
    expect(rest.buffer).toBe(messages.buffer);
    expect(Buffer.concat([one.front, rest])).toEqual(messages.subarray(70));
  });

  test('passes once', () => {
    const one = follower();
    one.follow(messages.subarray(0, 73));
    one.follow(messages.subarray(73, 140));
    one.follow(messages.subarray(140));
    expect(one.front.length).toBe(0);
  });

  test('of a PONG that is removed does not pass', () => {
    const one = follower(true);
    const pong = masked(0x8a, Buffer.alloc(PING_SIZE));
    expect(one.follow(pong.subarray(0, 3)).length).toBe(0);
    const rest = one.follow(Buffer.concat([pong.subarray(3), message]));
    expect(one.front.length).toBe(0);
    expect(rest).toEqual(message);
  });
});
