import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { EventLog } from '../../../src/command/listen/log/event-log.js';
import { logEvents } from '../../../src/command/listen/log/tunnel-events.js';
import { RepeatLimiter } from '../../../src/command/listen/log/repeats.js';
import { StatusLine } from '../../../src/command/output/status-line.js';
import type { Tunnel } from '../../../src/types.js';
import { FakeIo } from '../../support/fake-io.js';

test('a terminal that is not read from fills no memory', () => {
  const io = new FakeIo();
  const stalled = new Writable({ write: () => undefined });
  const status = new StatusLine(Object.assign(io, { stderr: stalled }), () => ({
    open: 0,
    bytesIn: 0,
    bytesOut: 0,
  }));
  for (let i = 0; i < 3000; i++) status.print('x'.repeat(1000));
  expect(stalled.writableLength).toBeGreaterThan(1_000_000);
  expect(stalled.writableLength).toBeLessThan(1_100_000);
});

test.skipIf(!existsSync('/dev/full'))('a log that can no longer be written is reported', async () => {
  const warn = vi.fn();
  const log = await EventLog.open('/dev/full', new PassThrough(), warn);
  log.write('open', {});
  await vi.waitFor(() => expect(warn).toHaveBeenCalled());
  log.write('close', {});
  await log.close();
  expect(warn.mock.calls).toEqual([
    ['/dev/full: the disk is full; retrying'],
    ['/dev/full: 2 lines could not be written'],
  ]);
});

test('issue 12, case 16: the longest event is a line of less than 8 KiB', async () => {
  const tunnel = new EventEmitter();
  const stdout = new PassThrough();
  // Node 26: `read()` returns one chunk, not all of them.
  const chunks: string[] = [];
  stdout.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
  const log = await EventLog.open('-', stdout, vi.fn());
  const printed: string[] = [];
  logEvents(tunnel as unknown as Tunnel, {
    print: (line) => printed.push(line),
    write: (event, info) => log.write(event, info),
    refusals: new RepeatLimiter(() => undefined),
  });
  const odd = '\u202e'.repeat(20_000);
  const numbers = { since: new Date(), bytesIn: Number.MAX_SAFE_INTEGER, bytesOut: Number.MAX_SAFE_INTEGER };
  const shared = { id: odd.slice(0, 36), url: odd, address: odd, user: odd, reason: odd, ...numbers };
  tunnel.emit('open', { ...shared, backend: odd });
  tunnel.emit('close', { ...shared, backend: odd, code: 4999, duration: 1e9 });
  tunnel.emit('refuse', { ...shared, status: 403, code: 'WSTUNNEL_ORIGIN_REFUSED' });
  tunnel.emit('backend', { id: odd, up: false, reason: odd });
  await vi.waitFor(() => expect(chunks.join('').split('\n')).toHaveLength(5));
  const lines = chunks.join('').trimEnd().split('\n');
  expect([lines.length, printed.length]).toEqual([4, 4]);
  for (const line of [...lines, ...printed]) {
    expect(Buffer.byteLength(line)).toBeLessThan(8192);
    expect(line).not.toContain('\u202e');
  }
  expect((JSON.parse(lines[0]!) as { url: string }).url).toBe(`${odd.slice(0, 511)}…`);
});
