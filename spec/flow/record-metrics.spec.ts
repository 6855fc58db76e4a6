import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { Recorder, Tunnel, TunnelInfo } from '../../src/index.js';
import { fileRecorder } from '../../src/record/index.js';
import { onCleanup } from '../support/cleanup.js';
import { metric } from '../support/metrics.js';
import { frame, openRaw, statusOf } from '../support/raw-client.js';
import { startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

function fails(): never {
  throw new Error('no space');
}

function recorderOf(parts: Partial<Recorder>): Recorder {
  const ignore = () => undefined;
  return { out: ignore, in: ignore, end: ignore, ...parts };
}

/** Failures of recordings are process warnings. */
function quietWarnings(): void {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  onCleanup(() => warn.mockRestore());
}

async function openAndClose(port: number, tunnel: Tunnel, path = '/tunnel'): Promise<void> {
  const { opened } = tunnel.stats();
  const client = await openRaw(port, path);
  client.send(frame(2, 'hello'));
  await client.payload(5);
  client.socket.destroy();
  await until(() => tunnel.stats().opened > opened && tunnel.stats().open === 0);
}

function failedRecordings(tunnel: Tunnel): Record<'close' | 'continue', number> {
  const page = tunnel.metrics();
  const count = (setting: string) =>
    metric(page, 'wstunnel_recordings_failed_total', { when_fails: setting });
  return { close: count('close'), continue: count('continue') };
}

test.each<[what: string, parts: Partial<Recorder>]>([
  ['throws', { out: fails }],
  ['rejects the promise of end()', { end: () => Promise.reject(new Error('no space')) }],
  ['throws at each call, end() included', { in: fails, out: fails, end: fails }],
  ['reports a failure before the 101 response', { failed: AbortSignal.abort(new Error('no space')) }],
])('counts a recording once whose recorder %s', async (_what, parts) => {
  quietWarnings();
  const { port, tunnel } = await startTunnel({ record: () => recorderOf(parts) });
  await openAndClose(port, tunnel);
  await until(() => failedRecordings(tunnel).continue === 1);
  expect(failedRecordings(tunnel)).toEqual({ continue: 1, close: 0 });
});

test('counts a recording that fails while end() writes the last bytes', async () => {
  quietWarnings();
  const failing = new AbortController();
  const end = async () => {
    await nextTurn();
    failing.abort(new Error('no space'));
  };
  const { port, tunnel } = await startTunnel({ record: () => recorderOf({ failed: failing.signal, end }) });
  await openAndClose(port, tunnel);
  await until(() => failedRecordings(tunnel).continue === 1);
});

test.each(['continue', 'close'] as const)(
  'counts recordings of fileRecorder() that cannot start, or find no folder, with whenFails %s',
  async (whenFails) => {
    quietWarnings();
    const folder = mkdtempSync(join(tmpdir(), 'metrics-'));
    const name = ({ url }: TunnelInfo) => (url === '/tunnel/named' ? 'named' : fails());
    const record = fileRecorder({ folder, whenFails, name });
    const { port, tunnel } = await startTunnel({ record });
    const other = whenFails === 'close' ? 'continue' : 'close';
    await openAndClose(port, tunnel, '/tunnel/named');
    await until(() => readdirSync(folder).includes('named.wsrec'));
    expect(failedRecordings(tunnel)).toEqual({ close: 0, continue: 0 });
    if (whenFails === 'close') expect(await statusOf(port, '/tunnel')).toBe(500);
    else await openAndClose(port, tunnel);
    expect(failedRecordings(tunnel)).toEqual({ [whenFails]: 1, [other]: 0 });
    rmSync(folder, { recursive: true });
    await openAndClose(port, tunnel, '/tunnel/named');
    await until(() => failedRecordings(tunnel)[whenFails] === 2);
    expect(failedRecordings(tunnel)[other]).toBe(0);
  },
);
