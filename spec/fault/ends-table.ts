import type { LookupAddress } from 'node:dns';
import { getEventListeners } from 'node:events';
import type { NextFunction, Request, Response } from 'express';
import type { Server, Socket } from 'node:net';
import { expect } from 'vitest';
import type {
  BalanceStrategy,
  ClosedInfo,
  Host,
  RefuseInfo,
  Tunnel,
  TunnelOptions,
} from '../../src/index.js';
import { LocalState } from '../../src/shared/local-state.js';
import {
  descriptors,
  watchComplaints,
  watchDials,
  watchListeners,
  watchTimers,
} from '../support/leftovers.js';
import { closeFrame, frame, handshake, RawClient } from '../support/raw-client.js';
import { makeTunnel, startApp, startBackend } from '../support/servers.js';
import { deferred, holds, until } from '../support/wait.js';

/** The life of a connection, from the match of its URL to its end. */
export const phases = [
  // Before the 101, delayed by a hook, by the resolver, or by a middleware that delays the end of the response.
  'guard',
  'choosing',
  'picking',
  'dialling',
  'claim',
  // Open: silent, or one side or both send more than the other side accepts.
  'open',
  'up',
  'down',
  'both',
  // The tunnel's Close 1000 is not answered; the client's Close was answered, but the backend has not ended.
  'we closed',
  'client closed',
  // Refused by a Close after the upgrade, which the client has not answered.
  'refused',
  // Both sockets are closed.
  'closed',
] as const;
export type Phase = (typeof phases)[number];

/** The client's input until the server's end. */
export interface Heard {
  /** The code of the Close, or the status if there was no 101. */
  readonly last: number | 'nothing';
  readonly payload: Buffer;
}

/** A connection in a phase, with both ends under the test's control. */
export interface Scene {
  readonly tunnel: Tunnel;
  readonly client: RawClient;
  /** The backend's socket; undefined before the connection attempt. */
  readonly backend: Socket | undefined;
  /** The payload that the client has sent. */
  readonly sent: Buffer;
  /** The bytes that the backend has sent. */
  readonly served: Buffer;
  readonly received: () => Buffer;
  /** Releases the paused hook or connection attempt. */
  release(): void;
  /** The client keeps reading, answers a Close, and ends after the server. */
  clientFinishes(): Promise<Heard>;
  /** The backend keeps reading, and ends after the tunnel. */
  backendFinishes(): void;
  /** Waits for `close` or `refuse`. */
  ended(): Promise<ClosedInfo | RefuseInfo>;
  /** The login ends as the option `login` says; until then each check passes. With `recorder`, the recorder fails. */
  endLogin(): void;
  /** Waits until both ends have finished, and checks for leftovers. */
  over(): Promise<void>;
}

/** How a login ends: the app refuses the check, finds another user, or fails; or a newer tunnel of the user replaces this one. */
export type LoginEnd = 'refused' | 'another user' | 'failed' | 'replaced';

export type TableOptions = Partial<TunnelOptions> & { host?: object; login?: LoginEnd; recorder?: 'fails' };

/** `failAfter` is short: the first failed check may end the tunnel. */
const CHECKED = { revalidate: { every: 0.1, failAfter: 0.1 } };

const MUCH = Buffer.alloc(12_000_000, 'no two words of it are the same ');
const MUCH_FRAMED = frame(2, MUCH);
const NOTHING = Buffer.alloc(0);

/** All deadlines are set, so that a forgotten timer is found; none expires unless the row shortens it. */
const FAR = {
  handshakeTimeout: 60,
  idleTimeout: 60,
  maxDuration: 60,
  // A PING is sent early, so that the tunnel awaits a PONG.
  pingInterval: 0.01,
  pongTimeout: 60,
  closeTimeout: 60,
};
const FAR_HOST = { connectTimeout: 60, readTimeout: 60, writeTimeout: 60 };

const connections = (server: Server) =>
  new Promise<number>((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );

/** Brings one connection into a phase. */
export async function arrange(
  phase: Phase,
  { host, login, recorder, ...options }: TableOptions = {},
): Promise<Scene> {
  const complaints = watchComplaints();
  const held = deferred();
  const backendMayFinish = deferred();
  let isThere = false;
  const hold = async (at: Phase) => {
    if (at !== phase) return;
    isThere = true;
    await held.promise;
  };

  const backend = await startBackend((socket) => {
    if (phase === 'up' || phase === 'both') socket.pause();
    void backendMayFinish.promise.then(() => {
      socket.on('end', () => socket.end());
      if (socket.readableEnded) socket.end();
      socket.resume();
    });
  });
  const lookup = (_name: string, _options: object, done: (error: null, found: LookupAddress[]) => void) =>
    void hold('dialling').then(() => done(null, [{ address: '127.0.0.1', family: 4 }]));
  const target: Host = { port: backend.port, ...(phase === 'dialling' && { host: 'held.test', lookup }) };
  const shared = new LocalState({ isKept: true });
  let hasEnded = false;
  const answerChecks = (req: Request, res: Response, next: NextFunction) => {
    if (!isCheck(req) || !hasEnded || login === 'another user') next();
    else res.sendStatus(login === 'refused' ? 401 : 500);
  };
  const failing = new AbortController();
  const signals: AbortSignal[] = [failing.signal];
  const ignore = () => undefined;
  const loads: string[] = [];
  const balance: BalanceStrategy = {
    pick: async ([only]) => {
      await hold('picking');
      return only;
    },
    opened: () => void loads.push('taken'),
    closed: () => void loads.push('released'),
  };
  const tunnel = makeTunnel({
    authenticate: async (_req, { signal }) => {
      signals.push(signal);
      await hold('guard');
      return phase !== 'refused';
    },
    server: async () => {
      await hold('choosing');
      return { ...FAR_HOST, ...target, ...host };
    },
    balance,
    limits: { buffered: 65_536 },
    ...(phase === 'refused' && { refuseWith: 'close' }),
    ...FAR,
    ...(login && {
      user: (req) => (isCheck(req) && hasEnded && login === 'another user' ? 'bob' : 'ann'),
      ...(login === 'replaced' ? { shared } : CHECKED),
    }),
    ...(recorder && {
      record: () => ({ out: ignore, in: ignore, end: ignore, failed: failing.signal, whenFails: 'close' }),
    }),
    ...options,
  });
  const ends: (ClosedInfo | RefuseInfo)[] = [];
  let opened = 0;
  tunnel.on('open', () => opened++);
  tunnel.on('refuse', (info) => ends.push(info));
  tunnel.on('close', (info) => {
    ends.push(info);
    // The event `close` means that both sockets of the tunnel are closed.
    expect(own.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  });
  const site = await startApp((app) =>
    app.use('/tunnel', answerChecks, holdingEnd(phase === 'claim' ? () => hold('claim') : undefined), tunnel),
  );

  const before = descriptors();
  const timers = watchTimers();
  const client = new RawClient(site.port);
  /** The tunnel's sockets: to the client, to the backend. */
  const own: Socket[] = [];
  const listenersLeft: (() => string[])[] = [];
  const isOwn = (socket: Socket) => {
    own.push(socket);
    listenersLeft.push(watchListeners(socket));
  };
  site.server.once('connection', isOwn);
  watchDials(isOwn);
  client.send(handshake('/tunnel'));

  const isUpgraded = phases.indexOf(phase) >= phases.indexOf('open');
  const isOver = () => ends.length > 0;
  let heard: Promise<Heard> | undefined;
  const scene = {
    tunnel,
    client,
    received: () => backend.received(),
    release: () => held.resolve(),
    clientFinishes: () => (heard ??= hear(client, phase, isUpgraded)),
    backendFinishes: () => backendMayFinish.resolve(),
    endLogin: () => {
      hasEnded = true;
      if (recorder) failing.abort(new Error('the recorder fails'));
      if (login !== 'replaced') return;
      for (const { tunnel } of shared.members.select(() => true)) tunnel.replace('replaced');
    },
    ended: async () => {
      await until(isOver);
      return ends[0]!;
    },
    over: async () => {
      await until(isOver);
      held.resolve();
      backendMayFinish.resolve();
      await scene.clientFinishes();
      // The scene destroys nothing, so that a leak of the tunnel stays visible.
      await holds(async () => {
        const open = { site: await connections(site.server), backend: await connections(backend.server) };
        expect(open).toEqual({ site: 0, backend: 0 });
      });
      // A cleared timer is gone after some event-loop turns; a timer that was not cleared is still there.
      for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
      expect({ descriptors: Math.max(0, descriptors() - before), timers: timers() }).toEqual({
        descriptors: 0,
        timers: 0,
      });
      expect(own.every(({ destroyed }) => destroyed)).toBe(true);
      expect(listenersLeft.flatMap((left) => left())).toEqual([]);
      expect(signals.flatMap((signal) => getEventListeners(signal, 'abort'))).toEqual([]);
      expect(loads).toEqual(loads.length === 0 ? [] : ['taken', 'released']);
      expect(ends).toHaveLength(1);
      checkStats(tunnel, ends[0]!, opened);
      // A failed recording is reported by a warning.
      const wanted = recorder ? [expect.objectContaining({ code: 'WSTUNNEL_RECORD' })] : [];
      expect(complaints).toEqual(wanted);
    },
  };

  if (!isUpgraded) {
    await until(() => isThere || isOver());
    await until(() => phase !== 'claim' || backend.sockets.size === 1 || isOver());
    return { ...scene, backend: [...backend.sockets][0], sent: NOTHING, served: NOTHING };
  }
  expect((await client.answer()).status).toBe(101);
  if (phase === 'refused') {
    expect(await client.close()).toMatchObject({ code: 4401 });
    return { ...scene, backend: undefined, sent: NOTHING, served: NOTHING };
  }
  expect((await client.frame())?.opcode).toBe(9);
  await until(() => backend.sockets.size === 1);
  const socket = [...backend.sockets][0]!;
  const isUp = phase === 'up' || phase === 'both';
  const isDown = phase === 'down' || phase === 'both';
  const [tunnelToClient, tunnelToBackend] = own;
  if (isDown) {
    client.socket.pause();
    socket.write(MUCH);
  }
  if (isUp) client.send(MUCH_FRAMED);
  if (isDown) await until(() => tunnelToBackend!.isPaused() || isOver());
  if (isUp) await until(() => tunnelToClient!.isPaused() || isOver());
  if (phase === 'we closed') socket.end();
  if (phase === 'client closed' || phase === 'closed') client.send(closeFrame(1000));
  if (phase === 'we closed' || phase === 'client closed')
    expect(await client.close()).toMatchObject({ code: 1000 });
  if (phase === 'closed') {
    scene.backendFinishes();
    await scene.clientFinishes();
    await until(isOver);
  }
  return { ...scene, backend: socket, sent: isUp ? MUCH : NOTHING, served: isDown ? MUCH : NOTHING };
}

const isCheck = (req: object) => (req as { wstunnelCheck?: boolean }).wstunnelCheck === true;

/** A middleware before the tunnel which, like a session's middleware, delays `end` until the session is saved. */
function holdingEnd(wait: (() => Promise<void>) | undefined) {
  return (_req: Request, res: Response, next: NextFunction) => {
    const end = res.end.bind(res) as (...args: unknown[]) => Response;
    if (wait)
      res.end = ((...args: unknown[]) => {
        void wait().then(() => end(...args));
        return res;
      }) as Response['end'];
    next();
  };
}

async function hear(client: RawClient, phase: Phase, isUpgraded: boolean): Promise<Heard> {
  client.socket.resume();
  let last: Heard['last'] = 'nothing';
  const parts: Buffer[] = [];
  const status = isUpgraded
    ? 101
    : await client.answer().then(
        (answer) => answer.status,
        () => undefined,
      );
  if (status !== undefined && status !== 101) last = status;
  const answerClose = () => client.socket.writable && client.send(closeFrame(1000));
  if (phase === 'we closed' || phase === 'refused') answerClose();
  for (let next = status === 101 && (await client.frame()); next; next = await client.frame()) {
    // No frame may follow a Close.
    expect(last).toBe('nothing');
    if (next.opcode <= 2) parts.push(next.payload);
    if (next.opcode !== 8) continue;
    last = next.payload.length < 2 ? 1005 : next.payload.readUInt16BE();
    answerClose();
  }
  await client.ended();
  client.socket.end();
  return { last, payload: Buffer.concat(parts) };
}

/** The totals agree with the only event. */
function checkStats(tunnel: Tunnel, end: ClosedInfo | RefuseInfo, opened: number): void {
  const { bytesIn, bytesOut } = 'bytesIn' in end ? end : { bytesIn: 0, bytesOut: 0 };
  const isClosed = 'bytesIn' in end;
  const stats = tunnel.stats();
  expect(stats).toMatchObject({ open: 0, opened, bytesIn, bytesOut });
  expect(opened).toBe(isClosed ? 1 : 0);
  expect([stats.closed, stats.refused]).toEqual(isClosed ? [{ [end.code]: 1 }, {}] : [{}, { [end.code]: 1 }]);
  expect(stats.backends.filter(({ load }) => load !== 0)).toEqual([]);
}
