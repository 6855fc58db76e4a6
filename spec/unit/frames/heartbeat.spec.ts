import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Heartbeat } from '../../../src/frames/heartbeat.js';
import { ReadPauses } from '../../../src/streams/read-pauses.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A heartbeat with a PING each second, on a connection that is never silent. */
function start(measures = true) {
  const seconds: number[] = [];
  const socket = new PassThrough();
  const connection = {
    writer: { queue: { written: 0 }, ping: vi.fn(() => true) },
    pauses: new ReadPauses(socket),
    closing: { isOpen: true },
    silent: vi.fn(),
  };
  const noteRoundTrip = (value: number) => seconds.push(value);
  const settings = { pingInterval: 1, pongTimeout: 0, ...(measures && { noteRoundTrip }) };
  const heartbeat = new Heartbeat(socket, settings, connection);
  heartbeat.start();
  return { heartbeat, seconds, ping: connection.writer.ping };
}

/** Lets time pass. */
const wait = (milliseconds: number) => vi.advanceTimersByTime(milliseconds);

describe('the round trip', () => {
  test('is the time from a PING to its PONG', () => {
    const { heartbeat, seconds } = start();
    wait(1000);
    wait(250);
    heartbeat.pong();
    wait(750);
    wait(40);
    heartbeat.pong();
    expect(seconds).toEqual([0.25, 0.04]);
  });

  test('is measured without a mix of PINGs when it is longer than the interval', () => {
    const { heartbeat, seconds, ping } = start();
    // PINGs at 1, 2, 3 ... seconds, and the PONG to each of them 1.5 seconds later.
    wait(2500);
    for (let pongs = 0; pongs < 6; pongs++) {
      heartbeat.pong();
      wait(1000);
    }
    expect(ping).toHaveBeenCalledTimes(8);
    expect(seconds.length).toBeGreaterThan(1);
    expect(new Set(seconds)).toEqual(new Set([1.5]));
  });

  test('is not measured by a PONG that answers no PING', () => {
    const { heartbeat, seconds } = start();
    expect(heartbeat.pong()).toBe(false);
    wait(1100);
    expect(heartbeat.pong()).toBe(true);
    wait(100);
    expect(heartbeat.pong()).toBe(false);
    expect(seconds).toEqual([0.1]);
  });

  test('is not measured if nobody asks for it', () => {
    const { heartbeat, seconds } = start(false);
    wait(1100);
    expect(heartbeat.pong()).toBe(true);
    expect(seconds).toEqual([]);
  });
});
