import { expect } from 'vitest';
import type { Socket } from 'node:net';
import type { ClosedInfo, Tunnel, TunnelOptions } from '../../src/index.js';
import {
  descriptors,
  watchComplaints,
  watchDials,
  watchListeners,
  watchTimers,
} from '../support/leftovers.js';
import { closeFrame, frame, openRaw, type RawClient } from '../support/raw-client.js';
import { makeTunnel, startApp } from '../support/servers.js';
import { deferred, holds, until } from '../support/wait.js';
import { accepting, plain, plainClose, startByHand } from '../support/websocket-server.js';

/** The states of an open tunnel to a backend that speaks WebSocket. */
export const phases = [
  'open',
  // A peer has sent the first half of a frame, which has arrived.
  'within a frame up',
  'within a frame down',
  // One side, or each side, has sent a frame that is larger than the other side accepts.
  'up',
  'down',
  'both',
  // A Close has passed, and is not answered.
  'client closed',
  'backend closed',
  'tunnel closed',
] as const;
export type Phase = (typeof phases)[number];

/** The input of one side until its end. */
export interface Heard {
  /** The code of the Close. */
  readonly last: number | 'nothing';
  readonly payload: Buffer;
}

export interface Scene {
  readonly tunnel: Tunnel;
  readonly client: RawClient;
  readonly backend: RawClient;
  /** The payload that each side has sent. */
  readonly sent: { readonly up: Buffer; readonly down: Buffer };
  /** The side keeps reading, answers a Close unless it has sent one, and ends after the tunnel (the backend: after the Closes). */
  clientFinishes(): Promise<Heard>;
  backendFinishes(): Promise<Heard>;
  ended(): Promise<ClosedInfo>;
  /** Waits until both ends have finished, and checks for leftovers. */
  over(): Promise<void>;
}

export type TableOptions = Partial<TunnelOptions> & { host?: object };

const HALF = Buffer.alloc(1000, 'half of it ');
const MUCH = Buffer.alloc(12_000_000, 'no two words of it are the same ');
const MUCH_UP = frame(2, MUCH);
const MUCH_DOWN = plain(2, MUCH);
const NOTHING = Buffer.alloc(0);

const FAR = { idleTimeout: 60, maxDuration: 60, pingInterval: 0.01, pongTimeout: 60, closeTimeout: 60 };
const FAR_HOST = { readTimeout: 60, writeTimeout: 60 };

export async function arrange(phase: Phase, { host, ...options }: TableOptions = {}): Promise<Scene> {
  const complaints = watchComplaints();
  const accepted = deferred<RawClient>();
  const server = await startByHand((peer, asked) => {
    peer.send(accepting(asked));
    accepted.resolve(peer);
  });
  const loads: string[] = [];
  const tunnel = makeTunnel({
    server: { url: server.url, ...FAR_HOST, ...host },
    balance: {
      pick: ([only]) => only,
      opened: () => void loads.push('taken'),
      closed: () => void loads.push('released'),
    },
    limits: { buffered: 65_536 },
    ...FAR,
    ...options,
  });
  const ends: ClosedInfo[] = [];
  const own: Socket[] = [];
  tunnel.on('close', (info) => {
    ends.push(info);
    expect(own.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  });
  const site = await startApp((app) => app.use('/tunnel', tunnel));
  const before = descriptors();
  const timers = watchTimers();
  const listenersLeft: (() => string[])[] = [];
  const isOwn = (socket: Socket) => {
    own.push(socket);
    listenersLeft.push(watchListeners(socket));
  };
  site.server.once('connection', isOwn);
  watchDials((socket) => own.length > 0 && own.length < 2 && isOwn(socket));
  const client = await openRaw(site.port);
  const backend = await accepted.promise;
  // The first PING: the tunnel awaits a PONG from now on.
  expect((await client.frame())?.opcode).toBe(9);
  const [toClient, toBackend] = own as [Socket, Socket];

  /** The sides that answer no Close: their Close is sent, or would be payload of the current frame. */
  const mute = { client: phase === 'within a frame up', backend: phase === 'within a frame down' };
  const isOver = () => ends.length > 0;
  let sent = { up: NOTHING, down: NOTHING };
  if (phase === 'within a frame up' || phase === 'within a frame down') {
    const isUp = phase === 'within a frame up';
    const bytes = (isUp ? frame(2, HALF) : plain(2, HALF)).subarray(0, 600);
    (isUp ? client : backend).send(bytes);
    sent = isUp ? { up: HALF, down: NOTHING } : { up: NOTHING, down: HALF };
    await until(() => tunnel.tunnels().some((one) => one.bytesIn + one.bytesOut > 500));
  }
  const [isUp, isDown] = [phase === 'up' || phase === 'both', phase === 'down' || phase === 'both'];
  if (isDown) {
    client.socket.pause();
    backend.send(MUCH_DOWN);
  }
  if (isUp) {
    backend.socket.pause();
    client.send(MUCH_UP);
  }
  if (isUp || isDown) sent = { up: isUp ? MUCH : NOTHING, down: isDown ? MUCH : NOTHING };
  // A short deadline of the tunnel may pass first: then nothing is paused any more.
  const latest = performance.now() + 1000;
  const isStuck = (socket: Socket) => socket.isPaused() || isOver() || performance.now() > latest;
  if (isDown) await until(() => isStuck(toBackend));
  if (isUp) await until(() => isStuck(toClient));
  /** The sides that have read a Close, and answer later. */
  const asked = { client: false, backend: false };
  if (phase === 'client closed') {
    client.send(closeFrame(1000));
    mute.client = true;
  }
  if (phase === 'backend closed') {
    backend.send(plainClose(1000));
    mute.backend = true;
  }
  if (phase === 'tunnel closed') tunnel.end(() => true, 1000, '');
  if (phase === 'client closed' || phase === 'tunnel closed')
    asked.backend = (await backend.close())?.code === 1000;
  if (phase === 'backend closed' || phase === 'tunnel closed')
    asked.client = (await client.close())?.code === 1000;

  let heardByClient: Promise<Heard> | undefined;
  let heardByBackend: Promise<Heard> | undefined;
  const scene: Scene = {
    tunnel,
    client,
    backend,
    sent,
    clientFinishes: () =>
      (heardByClient ??= hear(client, mute.client ? undefined : closeFrame(1000), asked.client)),
    backendFinishes: () =>
      (heardByBackend ??= hear(backend, mute.backend ? undefined : plainClose(1000), asked.backend, true)),
    ended: async () => {
      await until(isOver);
      return ends[0]!;
    },
    over: async () => {
      await until(isOver);
      await Promise.all([scene.clientFinishes(), scene.backendFinishes()]);
      client.socket.end();
      backend.socket.end();
      await holds(() => {
        expect(own.map(({ destroyed }) => destroyed)).toEqual([true, true]);
        expect({ descriptors: Math.max(0, descriptors() - before), timers: timers() }).toEqual({
          descriptors: 0,
          timers: 0,
        });
      });
      expect(listenersLeft.flatMap((left) => left())).toEqual([]);
      expect(loads).toEqual(['taken', 'released']);
      expect(ends).toHaveLength(1);
      const { bytesIn, bytesOut, code } = ends[0]!;
      expect(tunnel.stats()).toMatchObject({ open: 0, opened: 1, bytesIn, bytesOut, closed: { [code]: 1 } });
      expect(complaints).toEqual([]);
    },
  };
  return scene;
}

/** Reads frames to the end. `isAsked`: a Close was read before. `isServer`: this side ends after both Closes. */
async function hear(
  peer: RawClient,
  answer: Buffer | undefined,
  isAsked: boolean,
  isServer = false,
): Promise<Heard> {
  const { socket } = peer;
  const finish = () => {
    if (answer && socket.writable) peer.send(answer);
    if (isServer) socket.end();
  };
  socket.resume();
  if (isAsked) finish();
  let last: Heard['last'] = 'nothing';
  const parts: Buffer[] = [];
  for (let next = await peer.frame(); next; next = await peer.frame()) {
    // No frame may follow a Close.
    expect([last, isAsked]).toEqual(['nothing', false]);
    if (next.opcode <= 2) parts.push(next.payload);
    if (next.opcode !== 8) continue;
    last = next.payload.length < 2 ? 1005 : next.payload.readUInt16BE();
    finish();
  }
  socket.end();
  return { last, payload: Buffer.concat(parts) };
}
