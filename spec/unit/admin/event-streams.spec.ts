import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EventStreams } from '../../../src/admin/event-streams.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A response whose client reads only if `isRead`. */
class FakeResponse extends EventEmitter {
  statusCode = 0;
  writableLength = 0;
  writableEnded = false;
  destroyed = false;
  isRead = true;
  readonly written: string[] = [];
  flush = vi.fn();

  setHeader(): void {
    // Not needed.
  }

  write(text: string): boolean {
    this.written.push(text);
    if (!this.isRead) this.writableLength += text.length;
    return true;
  }

  end(): void {
    this.writableEnded = true;
    if (this.isRead) this.emit('close');
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function add(streams: EventStreams, read = () => '{}') {
  const res = new FakeResponse();
  const stream = streams.add(res as unknown as ServerResponse, read);
  return { res, stream };
}

describe('EventStreams', () => {
  test('sends one event a second, flushed, and ends a stream after 30 seconds', () => {
    const streams = new EventStreams();
    const { res } = add(streams, () => '{"a":1}');
    expect(res.written).toEqual(['retry: 1000\n\n']);
    vi.advanceTimersByTime(29_000);
    expect(res.written.length).toBe(30);
    expect(res.written[1]).toBe('event: state\ndata: {"a":1}\n\n');
    expect(res.flush).toHaveBeenCalledTimes(30);
    expect(res.writableEnded).toBe(false);
    vi.advanceTimersByTime(1000);
    expect(res.writableEnded).toBe(true);
    expect(streams.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('skips events while the client has not read the last one', () => {
    const { res } = add(new EventStreams());
    vi.advanceTimersByTime(1000);
    res.isRead = false;
    vi.advanceTimersByTime(5000);
    expect(res.written.length).toBe(3);
    res.writableLength = 0;
    res.isRead = true;
    vi.advanceTimersByTime(1000);
    expect(res.written.length).toBe(4);
  });

  test('skips events until drain, when a compressor is full', () => {
    const { res } = add(new EventStreams());
    res.write = (text) => res.written.push(text) < 0;
    vi.advanceTimersByTime(5000);
    expect(res.written.length).toBe(2);
    res.emit('drain');
    vi.advanceTimersByTime(1000);
    expect(res.written.length).toBe(3);
  });

  test('frees the connection of a client that reads nothing for ten seconds', () => {
    const streams = new EventStreams();
    const { res } = add(streams);
    res.isRead = false;
    vi.advanceTimersByTime(11_000);
    expect(res.destroyed).toBe(false);
    vi.advanceTimersByTime(1000);
    expect(res.destroyed).toBe(true);
    expect(res.written.length).toBe(2);
    expect(streams.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('frees the connection of a client that does not read the end', () => {
    const streams = new EventStreams();
    const { res } = add(streams);
    res.isRead = false;
    streams.end(false);
    expect(res.writableEnded).toBe(true);
    vi.advanceTimersByTime(12_000);
    expect(res.destroyed).toBe(true);
  });

  test('refuses a stream above the limit of 32, until another one has ended', () => {
    const streams = new EventStreams();
    const open = Array.from({ length: 32 }, () => add(streams));
    expect(() => add(streams)).toThrow('at most 32 pages may be open at once');
    open[0]!.res.destroy();
    add(streams);
  });

  test('ends a stream whose state cannot be made', () => {
    const { res } = add(new EventStreams(), () => {
      throw new Error('broken');
    });
    vi.advanceTimersByTime(1000);
    expect(res.writableEnded).toBe(true);
  });

  test('ends all streams at close(), and refuses others at its end', () => {
    const streams = new EventStreams();
    const { res, stream } = add(streams);
    streams.end(false);
    expect(res.writableEnded).toBe(true);
    stream.sendEvent();
    expect(res.written.length).toBe(1);
    add(streams);
    streams.end(true);
    expect(() => add(streams)).toThrow('the tunnel is closed');
    expect(vi.getTimerCount()).toBe(0);
  });
});
