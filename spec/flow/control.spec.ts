import { once } from 'node:events';
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import type { ClosedInfo, RefuseInfo, Tunnel, TunnelInfo, TunnelOptions } from '../../src/index.js';
import { debugLines } from '../support/debug-lines.js';
import { connectHttp2, openOverHttp2, startHttp2Tunnel } from '../support/http2.js';
import { watchComplaints } from '../support/leftovers.js';
import { closeFrame, echoes, frame, openRaw, requestTunnel } from '../support/raw-client.js';
import { startApp, startBackend, startEcho, startTunnel, makeTunnel } from '../support/servers.js';
import { deferred, holds, until } from '../support/wait.js';

type Hook = NonNullable<TunnelOptions['control']>;

const closed = (tunnel: Tunnel) => once(tunnel, 'close') as Promise<[ClosedInfo]>;

/** An in-process backend that notes what is written and what the app calls. */
class Shell extends Duplex {
  readonly steps: string[] = [];

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.steps.push(chunk.toString());
    done();
  }

  resize(size: string): void {
    this.steps.push(`resize ${size}`);
  }
}

/** A tunnel whose messages are kept. */
async function startNoting(options: Partial<TunnelOptions> = {}) {
  const messages: string[] = [];
  const site = await startTunnel({ control: (message) => void messages.push(message), ...options });
  return { ...site, messages };
}

test('a text message goes to the app, and binary messages to the backend', async () => {
  const { port, tunnel, messages } = await startNoting();
  const client = await openRaw(port);
  client.send(frame(1, '{"cols":80}'));
  await echoes(client, 'ls');
  expect(messages).toEqual(['{"cols":80}']);
  expect(tunnel.tunnels()).toMatchObject([{ bytesIn: 2, bytesOut: 2 }]);
});

test('without control, text is payload', async () => {
  const { port } = await startTunnel();
  const client = await openRaw(port);
  client.send(frame(1, 'text'));
  expect((await client.payload(4)).toString()).toBe('text');
});

test('a rule can set the option', async () => {
  const { port } = await startTunnel();
  const heard: string[] = [];
  const echo = await startEcho();
  const site = await startTunnel({
    server: { port: echo.port },
    rules: [{ url: '/shell', control: (message) => void heard.push(message) }],
  });
  for (const [to, path] of [
    [port, '/tunnel'],
    [site.port, '/tunnel/shell'],
  ] as const) {
    const client = await openRaw(to, path);
    client.send(frame(1, 'a'), frame(2, 'b'));
    await client.payload(1);
  }
  expect(heard).toEqual(['a']);
});

test.each(['server', 'connect'])(
  'the app gets its own Duplex, after the bytes before the message: %s',
  async (how) => {
    const shell = new Shell();
    const resize: Hook = (message, _, backend) => (backend as Shell).resize(message);
    const server = how === 'server' ? () => shell : { connect: () => shell };
    const { port } = await startTunnel({ server, control: resize });
    const client = await openRaw(port);
    client.send(frame(2, 'ab'), frame(1, '80'), frame(2, 'c'), frame(2, 'd'), frame(1, '90'), frame(2, 'e'));
    await holds(() => expect(shell.steps).toEqual(['ab', 'resize 80', 'cd', 'resize 90', 'e']));
  },
);

test("a message waits until the app's own Duplex has accepted the bytes before it", async () => {
  const accept: (() => void)[] = [];
  const shell = new Shell();
  shell._write = (chunk, _encoding, done) => {
    shell.steps.push(`begins ${String(chunk)}`);
    accept.push(() => {
      shell.steps.push(`accepts ${String(chunk)}`);
      done();
    });
  };
  const { port, tunnel } = await startTunnel({
    server: () => shell,
    control: (message, _, backend) => (backend as Shell).resize(message),
  });
  const client = await openRaw(port);
  client.send(frame(2, 'a'), frame(1, '1'), frame(1, '2'), frame(2, 'b'), frame(1, '3'), frame(2, 'c'));
  await until(() => accept.length === 1);
  client.send(frame(1, '4'), frame(2, 'd'));
  for (let i = 0; i < 4; i++) {
    await until(() => accept.length > i);
    accept[i]?.();
  }
  await holds(() =>
    expect(shell.steps).toEqual(
      ['begins a', 'accepts a', 'resize 1', 'resize 2', 'begins b', 'accepts b', 'resize 3'].concat([
        'begins c',
        'accepts c',
        'resize 4',
        'begins d',
        'accepts d',
      ]),
    ),
  );
  expect(tunnel.tunnels()).toMatchObject([{ bytesIn: 4 }]);
});

test("input that waits for the app's own Duplex is passed on when the client closes, and dropped by end()", async () => {
  for (const how of ['closes', 'ended'] as const) {
    const shell = new Shell();
    const waiting = deferred<() => void>();
    shell._write = (chunk, _encoding, done) => {
      shell.steps.push(String(chunk));
      if (shell.steps.length === 1) waiting.resolve(done);
      else done();
    };
    const { port, tunnel } = await startTunnel({
      server: () => shell,
      control: (message, _, backend) => (backend as Shell).resize(message),
    });
    const client = await openRaw(port);
    const end = closed(tunnel);
    client.send(frame(2, 'a'), frame(1, '1'), frame(2, 'b'), frame(1, '2'));
    const accept = await waiting.promise;
    if (how === 'ended') tunnel.end(() => true);
    client.send(closeFrame(1000));
    // `end` of the backend comes after its bytes.
    const ended = once(shell, 'finish');
    if (how === 'ended') expect((await client.close())?.code).toBe(1008);
    accept();
    await ended;
    shell.push(null);
    shell.resume();
    if (how === 'closes') expect((await client.close())?.code).toBe(1000);
    client.socket.end();
    await end;
    expect(shell.steps).toEqual(how === 'ended' ? ['a'] : ['a', 'resize 1', 'b', 'resize 2']);
  }
});

test('the app gets the socket of another backend, and may write to it in order', async () => {
  const backend = await startBackend();
  const { port } = await startTunnel({
    server: { port: backend.port },
    control: (message, _, socket) => void socket.write(`<${message}>`),
  });
  const client = await openRaw(port);
  client.send(frame(2, 'a'), frame(1, '1'), frame(2, 'b'), frame(1, '2'), frame(2, 'c'));
  await until(() => backend.received().length >= 9);
  expect(backend.received().toString()).toBe('a<1>b<2>c');
});

test('the app gets the live data of the tunnel', async () => {
  const infos: TunnelInfo[] = [];
  const { port, tunnel } = await startTunnel({
    user: () => 'ann',
    control: (_, info) => void infos.push(info),
  });
  const client = await openRaw(port);
  client.send(frame(1), frame(2, 'abc'), frame(1));
  await until(() => infos.length === 2);
  const [open] = tunnel.tunnels();
  expect(infos).toMatchObject([
    { id: open?.id, user: 'ann', bytesIn: 0 },
    { id: open?.id, user: 'ann', bytesIn: 3 },
  ]);
});

test('fragments with control frames in between are one message', async () => {
  const { port, messages } = await startNoting();
  const client = await openRaw(port);
  client.send(frame(1, 'gr', { final: false }), frame(9, 'p'), frame(0, 'ü', { final: false }));
  expect((await client.frame())?.opcode).toBe(10);
  client.send(frame(10), frame(0, 'ße'));
  await echoes(client);
  expect(messages).toEqual(['grüße']);
});

test('messages in the first segment, right after the request, are not lost', async () => {
  const { port, messages } = await startNoting();
  const client = requestTunnel(port);
  client.send(frame(1, 'early'), frame(2, 'ab'));
  expect((await client.answer()).status).toBe(101);
  await client.payload(2);
  expect(messages).toEqual(['early']);
});

test('a message of 1 MB ends the tunnel before it is received, and the bytes before are delivered', async () => {
  const backend = await startBackend();
  const { port, tunnel, messages } = await startNoting({ server: { port: backend.port } });
  const client = await openRaw(port);
  const end = closed(tunnel);
  client.send(frame(2, 'before'), frame(1, Buffer.alloc(1_000_000, 'x')));
  expect(await client.close()).toEqual({ code: 1009, reason: 'a text message of more than 4096 bytes' });
  client.socket.destroy();
  await until(() => backend.received().length > 0);
  expect(backend.received().toString()).toBe('before');
  for (const socket of backend.sockets) socket.end();
  expect(await end).toMatchObject([{ cause: 'message-too-large', code: 1009 }]);
  expect(messages).toEqual([]);
});

test('a binary message of 1 MB is payload', async () => {
  const { port, messages } = await startNoting();
  const client = await openRaw(port);
  const much = Buffer.alloc(1_000_000, 'x');
  client.send(frame(2, much));
  expect((await client.payload(much.length)).equals(much)).toBe(true);
  expect(messages).toEqual([]);
});

test('text that is not UTF-8 ends the tunnel with 1007', async () => {
  const { port, messages } = await startNoting();
  const client = await openRaw(port);
  client.send(frame(1, Buffer.from([0x61, 0xff])));
  expect((await client.close())?.code).toBe(1007);
  expect(messages).toEqual([]);
});

test('malformed JSON is for the app: a throw ends the tunnel, is logged, and the app is not called again', async () => {
  const lines = debugLines();
  const heard: string[] = [];
  const backend = await startBackend((socket) => socket.on('end', () => socket.end()));
  const { port, tunnel } = await startTunnel({
    server: { port: backend.port },
    control: (message) => {
      heard.push(message);
      JSON.parse(message);
    },
  });
  const client = await openRaw(port);
  const end = closed(tunnel);
  client.send(frame(2, 'a'), frame(1, '{}'), frame(1, '{'), frame(2, 'b'), frame(1, '{}'));
  expect(await client.close()).toEqual({ code: 1011, reason: 'a control message failed' });
  client.send(frame(1, '{}'), closeFrame(1011));
  expect(await end).toMatchObject([{ cause: 'control-failed', code: 1011 }]);
  expect(heard).toEqual(['{}', '{']);
  // Bytes after the message are dropped.
  expect(backend.received().toString()).toBe('a');
  expect(lines.filter((line) => line.includes('control failed'))).toEqual([
    expect.stringMatching(/control failed: .*JSON/),
  ]);
});

test('a rejected promise ends the tunnel as well, and does not end the process', async () => {
  const complaints = watchComplaints();
  const { port, tunnel } = await startTunnel({
    control: (async () => Promise.reject(new Error('no terminal'))) as unknown as Hook,
  });
  const client = await openRaw(port);
  const end = closed(tunnel);
  client.send(frame(1, 'a'));
  expect(await client.close()).toMatchObject({ code: 1011 });
  client.send(closeFrame(1011));
  expect(await end).toMatchObject([{ cause: 'control-failed' }]);
  expect(complaints).toEqual([]);
});

test('a promise that is rejected after the end of the tunnel changes nothing', async () => {
  const complaints = watchComplaints();
  const lines = debugLines();
  const late = deferred();
  const { port, tunnel } = await startTunnel({
    control: (async () => {
      await late.promise;
      throw new Error('too late');
    }) as unknown as Hook,
  });
  const client = await openRaw(port);
  const ends: ClosedInfo[] = [];
  tunnel.on('close', (info) => ends.push(info));
  client.send(frame(1, 'a'), closeFrame(1000));
  await until(() => ends.length === 1);
  late.resolve();
  await until(() => lines.some((line) => line.includes('too late')));
  expect(ends).toMatchObject([{ cause: 'client-closed', code: 1000 }]);
  expect(complaints).toEqual([]);
});

test('a hook that ends its own tunnel is not called again', async () => {
  const heard: string[] = [];
  const { port, tunnel } = await startTunnel({
    control: (message, { id }) => {
      heard.push(message);
      tunnel.end((info) => info.id === id);
    },
  });
  const client = await openRaw(port);
  client.send(frame(1, '1'), frame(1, '2'));
  expect((await client.close())?.code).toBe(1008);
  client.send(frame(1, '3'));
  client.socket.end();
  await client.rest();
  expect(heard).toEqual(['1']);
});

test('a hook is not called with a dead backend', async () => {
  const shell = new Shell();
  const { port } = await startTunnel({
    server: () => shell,
    control: (message, _, backend) => {
      (backend as Shell).resize(message);
      backend.destroy();
    },
  });
  const client = await openRaw(port);
  client.send(frame(1, '1'), frame(1, '2'));
  expect((await client.close())?.code).toBe(1011);
  client.send(frame(1, '3'), closeFrame(1000));
  await client.rest();
  expect(shell.steps).toEqual(['resize 1']);
});

test('ten thousand messages in one burst arrive in order, and other tunnels go on in between', async () => {
  const { port, messages } = await startNoting();
  const other = await openRaw(port);
  const client = await openRaw(port);
  const count = 10_000;
  const burst = Buffer.concat(Array.from({ length: count }, (_, i) => frame(1, `{"cols":${i}}`)));
  client.send(burst, frame(2, 'end'));
  await until(() => messages.length > 0);
  const seen = messages.length;
  await echoes(other, 'meanwhile');
  // The burst is more than one chunk, and each chunk is a share of a turn.
  expect(seen).toBeLessThan(count);
  expect((await client.payload(3)).toString()).toBe('end');
  expect(messages).toEqual(Array.from({ length: count }, (_, i) => `{"cols":${i}}`));
});

test('while the backend accepts nothing, messages wait with the bytes', async () => {
  const sockets: Socket[] = [];
  const backend = await startBackend((socket) => sockets.push(socket.pause()));
  const { port, messages } = await startNoting({
    server: { port: backend.port },
    limits: { buffered: 65_536 },
  });
  const client = await openRaw(port);
  const much = Buffer.alloc(16_000_000, 'x');
  client.send(frame(2, much), frame(1, 'after'));
  await until(() => client.socket.writableLength > 0 && sockets.length > 0);
  expect(messages).toEqual([]);
  sockets[0]?.resume();
  await until(() => messages.length === 1);
  expect(backend.received().length).toBeGreaterThan(much.length - 8_000_000);
});

test('a recording holds no text of control messages', async () => {
  const recorded: string[] = [];
  const { port, tunnel, messages } = await startNoting({
    record: () => ({
      in: (bytes) => void recorded.push(`in ${Buffer.from(bytes).toString()}`),
      out: (bytes) => void recorded.push(`out ${Buffer.from(bytes).toString()}`),
      end: () => void recorded.push('end'),
    }),
  });
  const client = await openRaw(port);
  client.send(frame(1, 'secret'));
  await echoes(client, 'ls');
  const end = closed(tunnel);
  client.socket.destroy();
  await end;
  await holds(() => expect(recorded).toEqual(['in ls', 'out ls', 'end']));
  expect(messages).toEqual(['secret']);
});

test('control messages do not restart idleTimeout', async () => {
  const { port, messages } = await startNoting({ idleTimeout: 0.5 });
  const client = await openRaw(port);
  const timer = setInterval(() => client.socket.writable && client.send(frame(1, 'x')), 50);
  const end = await client.close();
  clearInterval(timer);
  expect(end?.code).toBe(1001);
  expect(messages.length).toBeGreaterThan(2);
});

test('over HTTP/2', async () => {
  const messages: string[] = [];
  const { port } = await startHttp2Tunnel({ control: (message) => void messages.push(message) });
  const client = await openOverHttp2(await connectHttp2(port));
  client.send(frame(1, '1'), frame(2, 'a'), frame(1, '2'), frame(2, 'b'));
  expect((await client.payload(2)).toString()).toBe('ab');
  expect(messages).toEqual(['1', '2']);
});

test('with revalidate, before and after a check', async () => {
  let checks = 0;
  const messages: string[] = [];
  const echo = await startEcho();
  const tunnel = makeTunnel({
    server: { port: echo.port },
    revalidate: 0.1,
    control: (message) => void messages.push(message),
  });
  const { port } = await startApp((app) => {
    app.use((req, _, next) => {
      if ((req as { wstunnelCheck?: boolean }).wstunnelCheck) checks++;
      next();
    });
    app.use('/tunnel', tunnel);
  });
  const client = await openRaw(port);
  client.send(frame(1, 'before'));
  await until(() => checks >= 2);
  client.send(frame(1, 'after'));
  await echoes(client);
  expect(messages).toEqual(['before', 'after']);
});

test('a WebSocket backend in frames mode is refused, at creation where the host is known', async () => {
  const url = 'ws://127.0.0.1:1/';
  const control = () => undefined;
  const message = `control needs the bytes of the payload, and ${url} gets frames: give this host mode: "bytes"`;
  const options: TunnelOptions[] = [
    { server: { url }, control },
    { server: { '/desk': [{ port: 1 }, { url }] }, control },
    { server: { url }, rules: [{ url: '/shell', control }] },
    { server: { port: 1 }, control, rules: [{ rules: [{ server: { url } }] }] },
  ];
  for (const given of options) expect(() => makeTunnel(given)).toThrow(message);
  makeTunnel({ server: { url, mode: 'bytes' }, control });

  const { port, tunnel } = await startTunnel({ server: () => ({ url }), control });
  const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
  expect((await requestTunnel(port).answer()).status).toBe(500);
  expect((await refused)[0]).toMatchObject({ code: 'WSTUNNEL_HOOK_FAILED', reason: message });
});

test('frameType "text" is refused, at creation where both options are in one rule', async () => {
  const control = vi.fn();
  const server = { port: 1 };
  expect(() => makeTunnel({ server, control, frameType: 'text' })).toThrow(
    'control needs frameType "binary"',
  );
  expect(() => makeTunnel({ server, control, rules: [{ frameType: 'text' }] })).toThrow(
    'rules[0].control needs frameType "binary"',
  );
  const echo = await startEcho();
  const { port } = await startTunnel({
    server: { port: echo.port },
    rules: [{ control }, { frameType: 'text' }],
  });
  expect((await requestTunnel(port).answer()).status).toBe(500);
  expect(() => makeTunnel({ server, control: 'resize' as never })).toThrow('control must be a function');
});
