import { getEventListeners, once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { fileRecorder, player, RecordingReader } from '../../src/record/index.js';
import type { ClosedInfo, Recorder, RefuseInfo, TunnelInfo } from '../../src/types.js';
import { onCleanup } from '../support/cleanup.js';
import { echoes, frame, openRaw, statusOf } from '../support/raw-client.js';
import { closedPort, portOf, startTunnel } from '../support/servers.js';
import { deferred } from '../support/wait.js';

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

function wrongRecorder(settings: Record<string, unknown>): Recorder {
  return memory(settings).recorder;
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

test('a recorder that throws is not called again, and the tunnel goes on', async () => {
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

test.each(['out', 'in'] as const)(
  'a rejection of %s is a failure of the recorder, reported once',
  async (direction) => {
    const rejects = () => Promise.reject(new Error('no space'));
    const { calls, recorder } = memory({ [direction]: rejects });
    const { port } = await startTunnel({ record: () => recorder });
    const client = await openRaw(port);
    await echoes(client, 'one');
    await vi.waitFor(() => expect(warnings).toEqual([expect.stringContaining('no space')]));
    const before = calls.length;
    await echoes(client, 'two');
    expect(calls).toHaveLength(before);
    expect(warnings).toHaveLength(1);

    const strict = await startTunnel({ record: () => ({ ...recorder, whenFails: 'close' }) });
    const other = await openRaw(strict.port);
    const end = closed(strict.tunnel);
    other.send(frame(2, 'abc'));
    await other.ended();
    expect(await end).toMatchObject({ cause: 'recording-failed', code: 1011 });
  },
);

test.each([
  ['a throw', () => fail('no recorder'), 'no recorder'],
  ['a promise', () => Promise.reject(new Error('late')), 'must be a recorder'],
  ['another object', () => ({ out: () => undefined }), 'must be a recorder'],
  [
    'another direction',
    () => wrongRecorder({ direction: 'in' }),
    "the direction of a recorder must be 'out' or",
  ],
  ['another whenFails', () => wrongRecorder({ whenFails: 'end' }), "must be 'close' or 'continue'"],
  ['a promise as failed', () => wrongRecorder({ failed: Promise.resolve() }), 'must be an AbortSignal'],
])('%s of the option record refuses with 500', async (_what, record, reason) => {
  const { port, tunnel } = await startTunnel({ record: record as never });
  const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
  expect(await statusOf(port, '/tunnel')).toBe(500);
  expect((await refused)[0]).toMatchObject({ code: 'WSTUNNEL_HOOK_FAILED' });
  expect((await refused)[0].reason).toContain('record');
  expect((await refused)[0].reason).toContain(reason);
});

test('fileRecorder itself in place of its result is refused when the tunnel object is made', async () => {
  await expect(startTunnel({ record: fileRecorder as never })).rejects.toThrow(
    "record must be the result of a call: fileRecorder({ folder: '/var/lib/recordings' }); got [Function: fileRecorder]",
  );
  await expect(startTunnel({ rules: [{ record: fileRecorder as never }] })).rejects.toThrow(
    'rules[0].record must be the result of a call',
  );
});

test('without a backend there is no recording', async () => {
  const record = vi.fn();
  const { port } = await startTunnel({ server: { port: await closedPort() }, record });
  expect(await statusOf(port, '/tunnel')).toBe(502);
  expect(record).not.toHaveBeenCalled();
});

test("without direction a recorder gets both; with direction 'out' only what the client receives", async () => {
  const { calls, recorder } = memory({ direction: 'out' });
  const { port, tunnel } = await startTunnel({ record: () => recorder });
  const client = await openRaw(port);
  await echoes(client, 'ping');
  const end = closed(tunnel);
  client.socket.destroy();
  await end;
  expect(calls).toEqual(['out ping number', 'end 4 4']);
});

test("with whenFails 'close' a silent tunnel ends as soon as the recorder reports a failure", async () => {
  const failing = new AbortController();
  const { calls, recorder } = memory({ failed: failing.signal, whenFails: 'close' });
  const { port, tunnel } = await startTunnel({ record: () => recorder });
  const client = await openRaw(port);
  await echoes(client, 'ping');
  const end = closed(tunnel);
  failing.abort(new Error('no space'));
  expect(await client.close()).toMatchObject({ code: 1011 });
  client.socket.destroy();
  expect(await end).toMatchObject({ cause: 'recording-failed', code: 1011 });
  expect(warnings).toEqual([expect.stringContaining('no space')]);
  expect(calls.filter((call) => call.startsWith('end'))).toHaveLength(1);
  expect(getEventListeners(failing.signal, 'abort')).toEqual([]);
});

test('a failure that the recorder reports ends only the recording by default', async () => {
  const failing = new AbortController();
  const { calls, recorder } = memory({ failed: failing.signal });
  const { port } = await startTunnel({ record: () => recorder });
  const client = await openRaw(port);
  failing.abort(new Error('no space'));
  await echoes(client, 'ping');
  expect(calls).toEqual([]);
  expect(warnings).toHaveLength(1);
});

test("a recorder with whenFails 'close' that has failed before the 101 response refuses with 500", async () => {
  const { calls, recorder } = memory({ failed: AbortSignal.abort(new Error('gone')), whenFails: 'close' });
  const { port } = await startTunnel({ record: () => recorder });
  expect(await statusOf(port, '/tunnel')).toBe(500);
  expect(calls).toEqual(['end 0 0']);
});

test('close() waits until a recorder has finished, and no longer than its timeout', async () => {
  const writing = deferred();
  const { recorder } = memory({ end: () => writing.promise });
  const { port, tunnel } = await startTunnel({ record: () => recorder });
  await echoes(await openRaw(port));
  let isClosed = false;
  const closing = tunnel.close({ timeout: 60 }).then(() => (isClosed = true));
  await vi.waitFor(() => expect(tunnel.stats().open).toBe(0), { timeout: 10_000 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(isClosed).toBe(false);
  writing.resolve();
  await closing;

  const stuck = memory({ end: () => new Promise<void>(() => undefined) });
  const other = await startTunnel({ record: () => stuck.recorder });
  const client = await openRaw(other.port);
  await echoes(client);
  client.socket.destroy();
  await other.tunnel.close({ timeout: 0.2 });
});

test('an error or a rejection of end() is reported, and close() resolves', async () => {
  const { recorder } = memory({ end: () => Promise.reject(new Error('not finished')) });
  const thrower = memory({ end: () => fail('no end') });
  const records = [recorder, thrower.recorder];
  const { port, tunnel } = await startTunnel({ record: () => records.pop() });
  const clients = [await openRaw(port), await openRaw(port)];
  for (const { socket } of clients) socket.destroy();
  await tunnel.close();
  const reasons = warnings.map((warning) => warning.split(' failed: ')[1]);
  expect(reasons.sort()).toEqual(['no end', 'not finished']);
});

test('recordings are finished on disk when close() resolves', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'record-'));
  try {
    const { port, tunnel } = await startTunnel({ record: fileRecorder({ folder }) });
    const clients = await Promise.all(Array.from({ length: 20 }, () => openRaw(port)));
    for (const client of clients) await echoes(client, 'x'.repeat(60_000));
    await tunnel.close({ timeout: 30 });
    const names = readdirSync(folder);
    expect(names).toHaveLength(20);
    expect(names.filter((name) => !name.endsWith('.wsrec'))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe('a backend that speaks WebSocket', () => {
  /** An echo that would compress. Tells which extensions it was offered. */
  async function startEcho() {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: { threshold: 0 } });
    onCleanup(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });
    const offers: (string | undefined)[] = [];
    server.on('connection', (socket, { headers }) => {
      offers.push(headers['sec-websocket-extensions']);
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    await once(server, 'listening');
    return { url: `ws://127.0.0.1:${portOf(server as never)}/`, offers, server };
  }

  test.each(['frames', 'bytes'] as const)('is recorded without compression in mode %s', async (mode) => {
    const { url, offers } = await startEcho();
    const { calls, recorder } = memory();
    const { port } = await startTunnel({ server: { url, mode }, record: () => recorder });
    const client = new WebSocket(`ws://127.0.0.1:${port}/tunnel`);
    await once(client, 'open');
    expect(client.extensions).toBe('');
    expect(offers).toEqual([undefined]);
    const answered = once(client, 'message');
    client.ping();
    client.send('ping');
    await answered;
    client.terminate();
    await vi.waitFor(() => expect(calls).toEqual(['in ping number', 'out ping number', 'end 4 4']));
  });

  test('keeps its compression without the option record', async () => {
    const { url, offers } = await startEcho();
    const { port } = await startTunnel({ server: { url } });
    const client = new WebSocket(`ws://127.0.0.1:${port}/tunnel`);
    await once(client, 'open');
    expect(offers).toEqual([expect.stringContaining('permessage-deflate')]);
    client.terminate();
  });

  test.each(['out', 'in'] as const)(
    "in mode frames with whenFails 'close' a throw of %s ends the tunnel, and the bytes do not pass",
    async (direction) => {
      const { url, server } = await startEcho();
      const echoed: string[] = [];
      server.on('connection', (socket) =>
        socket.on('message', (data) => echoed.push((data as Buffer).toString())),
      );
      const { recorder } = memory({ [direction]: () => fail('no space'), whenFails: 'close' });
      const { port, tunnel } = await startTunnel({ server: { url }, record: () => recorder });
      const client = await openRaw(port);
      const end = closed(tunnel);
      client.send(frame(1, 'abc'));
      expect(await client.frame()).toMatchObject({ opcode: 8 });
      client.socket.destroy();
      expect(await end).toMatchObject({ cause: 'recording-failed', code: 1011, bytesOut: 0 });
      await vi.waitFor(() => expect(server.clients.size).toBe(0), { timeout: 10_000 });
      expect(echoed).toEqual(direction === 'in' ? [] : ['abc']);
    },
  );

  test("in mode frames with whenFails 'close' the rest of a long frame does not pass", async () => {
    const { url, server } = await startEcho();
    const size = 50 * 1024 * 1024;
    server.on('connection', (socket) => socket.send(Buffer.alloc(size)));
    let count = 0;
    const out = () => {
      if (++count === 3) fail('no space');
    };
    const { recorder } = memory({ out, whenFails: 'close' });
    const { port, tunnel } = await startTunnel({ server: { url }, record: () => recorder });
    const end = closed(tunnel);
    const client = await openRaw(port);
    await client.ended();
    expect(await end).toMatchObject({ cause: 'recording-failed', code: 1006 });
    expect((await end).bytesOut).toBeLessThan(1024 * 1024);
  });
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
