import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import { fileRecorder, player, RecordingReader } from '../../src/record/index.js';
import type { ClosedInfo, Recorder, RefuseInfo, TunnelInfo } from '../../src/types.js';
import { echoes, frame, openRaw, statusOf } from '../support/raw-client.js';
import { closedPort, portOf, startTunnel } from '../support/servers.js';

let warnings: string[];

beforeEach(() => {
  warnings = [];
  vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)));
});

afterEach(() => vi.restoreAllMocks());

/** A recorder that keeps copies. */
function memory(settings: Partial<Recorder> = {}) {
  const calls: string[] = [];
  const recorder: Recorder = {
    out: (bytes, ms) => void calls.push(`out ${Buffer.from(bytes).toString()} ${typeof ms}`),
    in: (bytes, ms) => void calls.push(`in ${Buffer.from(bytes).toString()} ${typeof ms}`),
    end: ({ bytesIn, bytesOut }) => void calls.push(`end ${bytesIn} ${bytesOut}`),
    ...settings,
  };
  return { calls, recorder };
}

async function closed(tunnel: { once(event: 'close', listener: (info: ClosedInfo) => void): unknown }) {
  return new Promise<ClosedInfo>((resolve) => tunnel.once('close', resolve));
}

test('a recorder gets the bytes of both directions, then the end, once', async () => {
  const { calls, recorder } = memory();
  let asked: TunnelInfo | undefined;
  const { port, tunnel, backend } = await startTunnel({
    user: () => 'ann',
    record: (info) => {
      asked = info;
      return recorder;
    },
  });
  const client = await openRaw(port);
  await echoes(client, 'ping');
  expect(asked).toMatchObject({ user: 'ann', url: '/tunnel', backend: `127.0.0.1:${backend!.port}` });
  expect(asked?.id).toBe(tunnel.tunnels()[0]?.id);
  const end = closed(tunnel);
  client.socket.destroy();
  await end;
  await vi.waitFor(() => expect(calls).toEqual(['in ping number', 'out ping number', 'end 4 4']));
});

test('undefined in place of a recorder records nothing', async () => {
  const { port } = await startTunnel({ record: () => undefined });
  await echoes(await openRaw(port));
});

test('a recorder that throws is asked no more, and the tunnel goes on', async () => {
  let count = 0;
  const { calls, recorder } = memory({
    out: () => {
      count++;
      throw new Error('no space');
    },
  });
  const { port, tunnel } = await startTunnel({ record: () => recorder });
  const client = await openRaw(port);
  await echoes(client, 'one');
  await echoes(client, 'two');
  expect(count).toBe(1);
  expect(calls).toEqual(['in one number']);
  expect(warnings).toEqual([expect.stringContaining('no space')]);
  const end = closed(tunnel);
  client.socket.destroy();
  await end;
  expect(calls.at(-1)).toBe('end 6 6');
});

test.each(['out', 'in'] as const)(
  "with whenFails 'close' a throw of %s ends the tunnel, and the bytes do not pass",
  async (direction) => {
    const fails = () => {
      throw new Error('no space');
    };
    const { recorder } = memory({ [direction]: fails, whenFails: 'close' });
    const { port, tunnel, backend } = await startTunnel({ record: () => recorder });
    const client = await openRaw(port);
    const end = closed(tunnel);
    client.send(frame(2, 'abc'));
    expect(await client.close()).toMatchObject({ code: 1011 });
    client.socket.destroy();
    expect(await end).toMatchObject({ cause: 'recording-failed', code: 1011, bytesOut: 0 });
    await vi.waitFor(() => expect(backend!.sockets.size).toBe(0), { timeout: 10_000 });
    expect(backend!.received().toString()).toBe(direction === 'in' ? '' : 'abc');
  },
);

test.each([
  ['a throw', () => fail('no recorder')],
  ['a promise', () => Promise.reject(new Error('late'))],
  ['another object', () => ({ out: () => undefined })],
])('%s of the option record refuses with 500', async (_what, record) => {
  const { port, tunnel } = await startTunnel({ record: record as never });
  const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
  expect(await statusOf(port, '/tunnel')).toBe(500);
  expect((await refused)[0]).toMatchObject({ code: 'WSTUNNEL_HOOK_FAILED' });
  expect((await refused)[0].reason).toContain('record');
});

test('without a backend there is no recording', async () => {
  const record = vi.fn();
  const { port } = await startTunnel({ server: { port: await closedPort() }, record });
  expect(await statusOf(port, '/tunnel')).toBe(502);
  expect(record).not.toHaveBeenCalled();
});

test("a backend that speaks WebSocket is recorded in mode 'bytes', and refused in mode 'frames'", async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  await once(server, 'listening');
  try {
    const url = `ws://127.0.0.1:${portOf(server as never)}/`;
    const bytes = memory();
    const inBytes = await startTunnel({ server: { url, mode: 'bytes' }, record: () => bytes.recorder });
    await echoes(await openRaw(inBytes.port), 'ping');
    expect(bytes.calls).toEqual(['in ping number', 'out ping number']);
    const frames = memory();
    const inFrames = await startTunnel({ server: { url }, record: () => frames.recorder });
    expect(await statusOf(inFrames.port, '/tunnel')).toBe(500);
    expect(frames.calls).toEqual(['end 0 0']);
  } finally {
    for (const client of server.clients) client.terminate();
    server.close();
  }
});

test('a file of fileRecorder has every byte of a download, and plays the same bytes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'record-'));
  try {
    const size = 3 * 1024 * 1024;
    const { port, tunnel } = await startTunnel({ record: fileRecorder({ folder }) });
    const client = await openRaw(port);
    const sent = Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 255));
    for (let at = 0; at < size; at += 65_536) client.send(frame(2, sent.subarray(at, at + 65_536)));
    expect((await client.payload(size)).equals(sent)).toBe(true);
    const end = closed(tunnel);
    client.socket.destroy();
    await end;
    await vi.waitFor(() => expect(readdirSync(folder)[0]).toMatch(/\.wsrec$/), { timeout: 10_000 });
    const path = join(folder, readdirSync(folder)[0]!);
    const reader = await RecordingReader.open(path);
    const parts = [];
    for await (const { bytes } of reader.records()) parts.push(bytes);
    expect(Buffer.concat(parts).equals(sent)).toBe(true);
    expect(reader.summary).toMatchObject({ bytesOut: size, bytesIn: 0 });
    await reader.close();

    const playing = await startTunnel({ server: player(path, { speed: Infinity }) });
    expect((await (await openRaw(playing.port)).payload(size)).equals(sent)).toBe(true);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function fail(message: string): never {
  throw new Error(message);
}
