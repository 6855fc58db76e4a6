import { existsSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { EventLog } from '../../../src/command/listen/events.js';
import { StatusLine } from '../../../src/command/listen/status.js';
import { FakeIo } from '../../support/fake-io.js';

test('who does not read what is told of tunnels fills no memory', () => {
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

test.skipIf(!existsSync('/dev/full'))('a log that can no longer be written to is told of', async () => {
  const warn = vi.fn();
  const log = await EventLog.open('/dev/full', new PassThrough(), warn);
  log.write('open', {});
  await vi.waitFor(() => expect(warn).toHaveBeenCalled());
  log.write('close', {});
  log.close();
  expect(warn.mock.calls).toEqual([['/dev/full: the disk is full; events are lost until the next SIGHUP']]);
});
