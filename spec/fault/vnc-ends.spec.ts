import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { CloseCause, ClosedInfo, TunnelOptions, VncOptions } from '../../src/index.js';
import { watchComplaints, watchDials } from '../support/leftovers.js';
import { closeFrame, frame, handshake, RawClient } from '../support/raw-client.js';
import { makeTunnel, startApp, startBackend } from '../support/servers.js';
import { deferred, sleep, until } from '../support/wait.js';
import { SERVER_INIT } from '../support/vnc-desk.js';

/** `closing`: the client's Close was answered, but the backend has not ended. */
type Phase = 'open' | 'backend stalled' | 'client stalled' | 'closing';

/** The causes of the options `vnc` and `control`. */
type Cause = Extract<
  CloseCause,
  'vnc-error' | 'input-idle' | 'rights-changed' | 'message-too-large' | 'control-failed'
>;

interface Scene {
  readonly client: RawClient;
  /** The rights that `vnc` gives from now on. */
  readonly setRights: (rights: VncOptions) => void;
}

const acts: Record<Cause, (scene: Scene) => void> = {
  'vnc-error': ({ client }) => client.send(frame(2, Buffer.from([77])), frame(2, 'dropped')),
  'input-idle': () => undefined,
  'rights-changed': ({ setRights }) => setRights({ viewOnly: true, inputIdleTimeout: 60 }),
  'message-too-large': ({ client }) => client.send(frame(1, Buffer.alloc(5000, 'x')), frame(2, 'dropped')),
  'control-failed': ({ client }) => client.send(frame(1, 'fail'), frame(2, 'dropped')),
};
const causes = Object.keys(acts) as Cause[];

const codes: Record<Cause, number> = {
  'vnc-error': 1008,
  'input-idle': 1001,
  'rights-changed': 1008,
  'message-too-large': 1009,
  'control-failed': 1011,
};

/** The causes that are in the client's own bytes: they wait behind the bytes before them. */
const inBytes: readonly Cause[] = ['vnc-error', 'message-too-large', 'control-failed'];

/** ClientCutText (RFC 6143 section 7.5.6): more bytes than all buffers of the way hold. It is no input. */
const LENGTH = 12_000_000;
const CUT_TEXT = Buffer.concat([Buffer.from('06000000', 'hex'), u32(LENGTH), Buffer.alloc(LENGTH, 'x')]);
/** FramebufferUpdateRequest. */
const UPDATE = Buffer.from('03000000000000080008', 'hex');
const DOWN = Buffer.alloc(LENGTH, 'y');

/** The bytes of the client in the handshake. */
const GREETING = 14;

/** Brings a tunnel of VNC into a phase. */
async function arrange(phase: Phase, cause: Cause, own: Partial<TunnelOptions> = {}) {
  const complaints = watchComplaints();
  let rights: VncOptions = { inputIdleTimeout: cause === 'input-idle' ? 1 : 60 };
  const mayEnd = deferred();
  const seen: string[] = [];
  const backend = await startBackend((socket) => {
    const answers = ['\x01\x01', '\0\0\0\0', SERVER_INIT];
    socket.write('RFB 003.008\n');
    socket.on('data', () => socket.write(answers.shift() ?? ''));
    socket.on('error', ({ message }) => seen.push(message)).on('end', () => seen.push('end'));
    void mayEnd.promise.then(() => {
      socket.on('end', () => socket.end()).resume();
      if (socket.readableEnded) socket.end();
    });
  });
  const tunnel = makeTunnel({
    server: { port: backend.port },
    vnc: () => rights,
    control: () => {
      throw new Error('the hook fails');
    },
    revalidate: 0.1,
    limits: { buffered: 65_536 },
    ...own,
  });
  const site = await startApp((app) => app.use('/tunnel', tunnel));
  const sides: Socket[] = [];
  const client = new RawClient(site.port);
  site.server.once('connection', (socket) => sides.push(socket));
  watchDials((socket) => sides.push(socket));
  const ends: ClosedInfo[] = [];
  tunnel.on('close', (info) => ends.push(info));
  client.send(handshake('/tunnel'));
  expect((await client.answer()).status).toBe(101);
  client.send(frame(2, 'RFB 003.008\n'));
  await client.payload(14);
  client.send(frame(2, Buffer.from([1])));
  await client.payload(4);
  client.send(frame(2, Buffer.from([1])));
  await client.payload(SERVER_INIT.length);
  client.send(frame(2, UPDATE));
  await until(() => backend.received().length === GREETING + UPDATE.length);

  const socket = [...backend.sockets][0]!;
  const [toClient, toBackend] = sides;
  const isUp = phase === 'backend stalled';
  const isDown = phase === 'client stalled';
  if (isUp) {
    socket.pause();
    client.send(frame(2, CUT_TEXT));
    // `input-idle` may come first.
    await until(() => toClient!.isPaused() || toBackend!.writableEnded);
  }
  if (isDown) {
    client.socket.pause();
    socket.write(DOWN);
    await until(() => toBackend!.isPaused() || toBackend!.writableEnded);
  }
  if (phase === 'closing') {
    client.send(closeFrame(1000));
    expect(await client.close()).toMatchObject({ code: 1000 });
  }
  return {
    client,
    backend: socket,
    seen,
    /** The bytes after the handshake. */
    sent: isUp ? Buffer.concat([UPDATE, CUT_TEXT]) : UPDATE,
    received: () => backend.received().subarray(GREETING),
    setRights: (to: VncOptions) => void (rights = to),
    /** The backend reads to the end, and ends after the tunnel. */
    backendFinishes: () => mayEnd.resolve(),
    ended: async (): Promise<ClosedInfo> => {
      await until(() => ends.length > 0);
      return ends[0]!;
    },
    /** Both sockets are closed, and nothing complained. */
    over: async () => {
      client.socket.resume();
      client.socket.end();
      mayEnd.resolve();
      await until(() => sides.every(({ destroyed }) => destroyed) && backend.sockets.size === 0);
      expect(ends).toHaveLength(1);
      expect(complaints).toEqual([]);
    },
  };
}

/** Reads up to the Close: the payload before it, and its code. */
async function hear(client: RawClient): Promise<{ code: number | undefined; payload: Buffer }> {
  const parts: Buffer[] = [];
  for (let next = await client.frame(); next; next = await client.frame()) {
    if (next.opcode <= 2) parts.push(next.payload);
    if (next.opcode === 8) return { code: next.payload.readUInt16BE(), payload: Buffer.concat(parts) };
  }
  return { code: undefined, payload: Buffer.concat(parts) };
}

const isStart = (part: Buffer, whole: Buffer) => whole.subarray(0, part.length).equals(part);

describe.each(causes)('%s', (cause) => {
  const code = codes[cause];
  const own = { cause, code };

  test(`open: ${code} for the client, the end for the backend, which has all bytes before`, async () => {
    const scene = await arrange('open', cause);
    acts[cause](scene);
    expect((await hear(scene.client)).code).toBe(code);
    // The client's answer, and bytes after it: too late.
    scene.client.send(frame(2, UPDATE), closeFrame(code)).socket.end();
    scene.backendFinishes();
    expect(await scene.ended()).toMatchObject(own);
    await scene.over();
    expect(scene.received()).toEqual(scene.sent);
    expect(scene.seen).toEqual(['end']);
  });

  test('open: needs no answer of the client, and no end of the backend', async () => {
    const scene = await arrange('open', cause, { closeTimeout: 0.3 });
    acts[cause](scene);
    expect((await hear(scene.client)).code).toBe(code);
    expect(await scene.ended()).toMatchObject(own);
    await scene.over();
    expect(scene.received()).toEqual(scene.sent);
  });

  test('backend stalled', async () => {
    const scene = await arrange('backend stalled', cause);
    acts[cause](scene);
    // A cause in the client's bytes is behind the bytes that wait; a deadline and a check do not wait.
    if (inBytes.includes(cause)) scene.backend.resume();
    expect((await hear(scene.client)).code).toBe(code);
    scene.client.send(closeFrame(code)).socket.end();
    scene.backendFinishes();
    expect(await scene.ended()).toMatchObject(own);
    await scene.over();
    const received = scene.received();
    expect(isStart(received, scene.sent)).toBe(true);
    if (isControl(cause)) expect(received.length).toBe(scene.sent.length);
    if (!inBytes.includes(cause)) expect(received.length).toBeLessThan(scene.sent.length);
    expect(scene.seen).toEqual(['end']);
  });

  test('client stalled: the backend sees the end at once, the client reads its Close later', async () => {
    const scene = await arrange('client stalled', cause);
    acts[cause](scene);
    await until(() => scene.seen.length > 0);
    scene.client.socket.resume();
    const { code: seen, payload } = await hear(scene.client);
    expect(seen).toBe(code);
    expect(isStart(payload, DOWN)).toBe(true);
    expect(payload.length).toBeLessThan(DOWN.length);
    scene.client.send(closeFrame(code)).socket.end();
    scene.backendFinishes();
    expect(await scene.ended()).toMatchObject(own);
    await scene.over();
    expect(scene.received()).toEqual(scene.sent);
    expect(scene.seen).toEqual(['end']);
  });

  test('client stalled for closeTimeout: 1006, since the Close has not arrived', async () => {
    const scene = await arrange('client stalled', cause, { closeTimeout: 0.3 });
    acts[cause](scene);
    expect(await scene.ended()).toMatchObject({ cause: 'close-timeout', code: 1006 });
    await scene.over();
    expect(scene.received()).toEqual(scene.sent);
  });

  test('closing: the end stays that of the client', async () => {
    const scene = await arrange('closing', cause);
    if (scene.client.socket.writable) acts[cause](scene);
    // Longer than the deadline and the checks.
    if (!inBytes.includes(cause)) await sleep(1500);
    scene.client.socket.end();
    scene.backendFinishes();
    expect(await scene.ended()).toMatchObject({ cause: 'client-closed', code: 1000 });
    await scene.over();
    expect(scene.received()).toEqual(scene.sent);
    expect(scene.seen).toEqual(['end']);
  });
});

/** Text messages do not pass the bytes before them: all of these are delivered. */
function isControl(cause: Cause): boolean {
  return cause === 'message-too-large' || cause === 'control-failed';
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
