import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { CloseCause } from '../../src/index.js';
import { arrange, phases, type Phase, type Scene, type TableOptions } from './ends-table.js';
import { closeFrame } from '../support/raw-client.js';

const clientActions = {
  'client half-closes': ({ client }) => client.socket.end(),
  'client resets': ({ client }) => reset(client.socket),
  'client destroys': ({ client }) => client.socket.destroy(),
  'client sends Close': ({ client }) => client.socket.writable && client.send(closeFrame(3001, 'mine')),
  'client breaks the protocol': ({ client }) =>
    client.socket.writable && client.send(Buffer.from([0xff, 0xff])),
} satisfies Record<string, Act>;

const backendActions = {
  'backend half-closes': ({ backend }) => backend?.end(),
  'backend ends and reads no more': ({ backend }) => backend?.pause().end(),
  'backend resets': ({ backend }) => backend && reset(backend),
  'backend destroys': ({ backend }) => backend?.destroy(),
} satisfies Record<string, Act>;

const appActions = {
  'app end()': ({ tunnel }) => tunnel.end(() => true),
  'app close()': ({ tunnel }) => tunnel.close({ timeout: 60 }),
  'app close() at once': ({ tunnel }) => tunnel.close({ timeout: 0 }),
} satisfies Record<string, Act>;

/** Deadlines of the tunnel: long enough to reach the phase, short enough to wait for. */
const timers = {
  handshakeTimeout: { handshakeTimeout: 0.3 },
  connectTimeout: { host: { connectTimeout: 0.3 } },
  idleTimeout: { idleTimeout: 0.3 },
  maxDuration: { maxDuration: 0.3 },
  readTimeout: { host: { readTimeout: 0.3 } },
  writeTimeout: { host: { writeTimeout: 0.3 } },
  pongTimeout: { pingInterval: 0.05, pongTimeout: 0.1 },
  closeTimeout: { closeTimeout: 0.2 },
} satisfies Record<string, TableOptions>;

/** The ends of a login, and of a recording: of an open tunnel alone. */
const logins = {
  'login ends': { login: 'refused' },
  'user changes': { login: 'another user' },
  'login is unclear': { login: 'failed' },
  'a newer tunnel replaces it': { login: 'replaced' },
  'recording fails': { recorder: 'fails' },
} satisfies Record<string, TableOptions>;

type Act = (scene: Scene) => unknown;
const acts = { ...clientActions, ...backendActions, ...appActions };
const actions = [...keysOf(acts), ...keysOf(timers), ...keysOf(logins)];
type Action = (typeof actions)[number];

/** The outcome of an action. */
interface Row {
  /** The close code, or the code of the refusal. */
  readonly ends: number | string;
  /** The cause, unless `causes` has the cause of this action. */
  readonly cause?: CloseCause;
  /** The client's last input: a close code, a status or a bare end; undefined if the client has left or is cut off. */
  readonly sees?: number | 'nothing';
  /** The directions in which all bytes in flight arrive. */
  readonly delivers?: 'up' | 'down' | 'both';
  /** Some bytes of the client do not arrive, because the client was cut off. */
  readonly drops?: 'up';
  /** The inactive side: the tunnel has to end without help from there. */
  readonly still?: 'client' | 'backend';
  readonly options?: TableOptions;
}

/** The reason why the action has no meaning in this phase. */
type Meaningless = string;
type Cell = Row | readonly Row[] | Meaningless;

/** The causes with which a tunnel ends after an action. */
const causes: Record<Action, readonly CloseCause[]> = {
  'client half-closes': ['client-ended'],
  'client resets': ['client-lost', 'client-ended'],
  'client destroys': ['client-lost', 'client-ended'],
  'client sends Close': ['client-closed'],
  'client breaks the protocol': ['protocol-error'],
  'backend half-closes': ['backend-ended'],
  'backend ends and reads no more': ['backend-ended'],
  'backend resets': ['backend-failed'],
  'backend destroys': ['backend-ended', 'backend-failed'],
  'app end()': ['ended-by-app'],
  'app close()': ['drain'],
  'app close() at once': ['drain'],
  handshakeTimeout: [],
  connectTimeout: [],
  idleTimeout: ['idle'],
  maxDuration: ['max-duration'],
  readTimeout: ['read-timeout'],
  writeTimeout: ['write-timeout'],
  pongTimeout: ['client-silent'],
  closeTimeout: ['close-timeout'],
  'login ends': ['login-ended'],
  'user changes': ['user-changed'],
  'login is unclear': ['login-unclear'],
  'a newer tunnel replaces it': ['replaced'],
  'recording fails': ['recording-failed'],
};

const short = timers.closeTimeout;
const gone = { ends: 'WSTUNNEL_CLIENT_GONE' };
const draining = { ends: 'WSTUNNEL_DRAINING', sees: 503 };
const late = { ends: 'WSTUNNEL_HANDSHAKE_TIMEOUT', sees: 504 };

const noBackend = each(keysOf(backendActions), 'no backend is connected');
const checks = ['login ends', 'user changes', 'login is unclear'] as const satisfies Action[];
const loginEnds = {
  ...each(checks, { ends: 1008, sees: 1008 }),
  'a newer tunnel replaces it': { ends: 4409, sees: 4409 },
  'recording fails': { ends: 1011, sees: 1011 },
} as const;
const notOpenYet = each(
  [
    ...([
      'idleTimeout',
      'maxDuration',
      'readTimeout',
      'writeTimeout',
      'pongTimeout',
      'closeTimeout',
    ] as const),
    ...keysOf(logins),
  ],
  'begins with the 101',
);
const handshakeIsOver = each(['handshakeTimeout', 'connectTimeout'], 'ended with the 101');
const watchIsOver = each(
  ['idleTimeout', 'maxDuration', 'readTimeout', 'writeTimeout', 'pongTimeout', ...keysOf(logins)],
  'ended with the first Close',
);
const nothingCloses = { closeTimeout: 'begins with a Close' } as const;

const beforeTheDial = {
  'client half-closes': { ...gone, sees: 'nothing' },
  'client resets': gone,
  'client destroys': gone,
  // RFC 6455 does not allow frames before the 101; the tunnel reads them after the 101.
  'client sends Close': { ends: 3001, sees: 3001 },
  'client breaks the protocol': { ends: 1002, sees: 1002 },
  ...noBackend,
  'app end()': { ends: 'WSTUNNEL_ENDED', sees: 403 },
  'app close()': draining,
  'app close() at once': draining,
  handshakeTimeout: late,
  connectTimeout: 'begins with the dial',
  ...notOpenYet,
} as const satisfies Record<Action, Cell>;

const closeSent = {
  'client half-closes': { ends: 1000, sees: 'nothing' },
  'client resets': { ends: 1000 },
  'client destroys': { ends: 1000 },
  'client sends Close': { ends: 1000, sees: 'nothing' },
  'client breaks the protocol': { ends: 1000, sees: 'nothing' },
  'backend half-closes': { ends: 1000, sees: 'nothing' },
  'backend ends and reads no more': { ends: 1000, sees: 'nothing', still: 'backend' },
  'backend resets': { ends: 1000, sees: 'nothing' },
  'backend destroys': { ends: 1000, sees: 'nothing' },
  'app end()': { ends: 1000, sees: 'nothing' },
  'app close()': { ends: 1000, sees: 'nothing' },
  'app close() at once': [{ ends: 1000 }, { ends: 1000, still: 'client' }, { ends: 1000, still: 'backend' }],
  ...handshakeIsOver,
  ...watchIsOver,
  closeTimeout: [
    { ends: 1000, still: 'client' },
    { ends: 1000, still: 'backend' },
  ],
} as const satisfies Record<Action, Cell>;

/** The outcome that the contract states for every action in every phase. */
const table: Record<Phase, Record<Action, Cell>> = {
  guard: beforeTheDial,
  choosing: beforeTheDial,
  picking: beforeTheDial,
  dialling: {
    ...beforeTheDial,
    connectTimeout: { ends: 'WSTUNNEL_BACKEND_TIMEOUT', sees: 504 },
  },
  claim: {
    ...beforeTheDial,
    'client half-closes': { ...gone, sees: 499 },
    'backend half-closes': { ends: 1000, sees: 1000 },
    'backend ends and reads no more': { ends: 1000, sees: 1000 },
    'backend resets': { ends: 1011, sees: 1011 },
    'backend destroys': { ends: 1000, sees: 1000 },
    connectTimeout: 'ended with the dial',
  },
  open: {
    'client half-closes': { ends: 1006, sees: 'nothing' },
    'client resets': { ends: 1006 },
    'client destroys': { ends: 1006 },
    'client sends Close': [
      { ends: 3001, sees: 3001 },
      { ends: 3001, sees: 3001, still: 'backend', options: short },
    ],
    'client breaks the protocol': { ends: 1002, sees: 1002 },
    'backend half-closes': { ends: 1000, sees: 1000 },
    'backend ends and reads no more': { ends: 1000, sees: 1000, still: 'backend' },
    'backend resets': { ends: 1011, sees: 1011 },
    'backend destroys': { ends: 1000, sees: 1000 },
    'app end()': [
      { ends: 1008, sees: 1008 },
      { ends: 1008, still: 'client', options: short },
    ],
    'app close()': { ends: 1001, sees: 1001 },
    'app close() at once': [
      { ends: 1001 },
      { ends: 1001, still: 'client' },
      { ends: 1001, still: 'backend' },
    ],
    ...handshakeIsOver,
    idleTimeout: { ends: 1001, sees: 1001 },
    maxDuration: { ends: 1001, sees: 1001 },
    readTimeout: { ends: 1011, sees: 1011 },
    writeTimeout: 'nothing waits for the backend',
    pongTimeout: { ends: 1006 },
    ...nothingCloses,
    ...loginEnds,
    'login ends': [
      { ends: 1008, sees: 1008 },
      { ends: 1008, still: 'client', options: short },
    ],
    'a newer tunnel replaces it': [
      { ends: 4409, sees: 4409 },
      { ends: 4409, still: 'client', options: short },
    ],
  },
  up: {
    'client half-closes': { ends: 1006, sees: 'nothing', delivers: 'up' },
    'client resets': { ends: 1006 },
    'client destroys': { ends: 1006 },
    'client sends Close': { ends: 3001, sees: 3001, delivers: 'up' },
    'client breaks the protocol': { ends: 1002, sees: 1002, delivers: 'up' },
    'backend half-closes': { ends: 1000, sees: 1000, delivers: 'up' },
    'backend ends and reads no more': { ends: 1000, sees: 1000, still: 'backend', options: short },
    'backend resets': { ends: 1011, sees: 1011 },
    'backend destroys': { ends: 1011, sees: 1011 },
    'app end()': [
      { ends: 1008, sees: 1008, drops: 'up' },
      { ends: 1008, sees: 1008, drops: 'up', still: 'backend', options: short },
    ],
    'app close()': { ends: 1001, sees: 1001, delivers: 'up' },
    'app close() at once': [{ ends: 1001 }, { ends: 1001, still: 'backend' }],
    ...handshakeIsOver,
    idleTimeout: { ends: 1001, sees: 1001, still: 'backend', options: short },
    maxDuration: { ends: 1001, sees: 1001 },
    readTimeout: { ends: 1011, sees: 1011 },
    writeTimeout: { ends: 1011, sees: 1011, still: 'backend', options: short },
    pongTimeout: [
      { ends: 1006, delivers: 'up' },
      // While the backend accepts no bytes, the client is not read: a missing PONG is not the client's fault.
      {
        ...{ ends: 1011, cause: 'write-timeout', sees: 1011, still: 'backend' },
        options: { ...short, host: { writeTimeout: 0.6 } },
      },
    ],
    ...nothingCloses,
    ...loginEnds,
    'login ends': { ends: 1008, sees: 1008, still: 'backend', options: short },
  },
  down: {
    'client half-closes': { ends: 1006, sees: 'nothing' },
    'client resets': { ends: 1006 },
    'client destroys': { ends: 1006 },
    'client sends Close': { ends: 3001, sees: 3001 },
    'client breaks the protocol': { ends: 1002, sees: 1002 },
    'backend half-closes': { ends: 1000, sees: 1000, delivers: 'down' },
    'backend ends and reads no more': { ends: 1000, sees: 1000, delivers: 'down', still: 'backend' },
    'backend resets': { ends: 1011, sees: 1011 },
    // Bytes that the backend's process had not yet passed to the kernel are lost, and the tunnel cannot know.
    'backend destroys': { ends: 1000, sees: 1000 },
    'app end()': [
      { ends: 1008, sees: 1008 },
      // The end is not orderly, because bytes sent before the Close have not arrived.
      { ends: 1006, cause: 'close-timeout', still: 'client', options: short },
    ],
    'app close()': { ends: 1001, sees: 1001 },
    'app close() at once': [{ ends: 1001 }, { ends: 1001, still: 'client' }],
    ...handshakeIsOver,
    idleTimeout: [
      { ends: 1001, sees: 1001, delivers: 'down' },
      { ends: 1006, cause: 'close-timeout', still: 'client', options: short },
    ],
    maxDuration: { ends: 1001, sees: 1001 },
    readTimeout: { ends: 1011, sees: 1011, delivers: 'down' },
    writeTimeout: 'nothing waits for the backend',
    pongTimeout: { ends: 1006, still: 'client' },
    ...nothingCloses,
    ...loginEnds,
    'login ends': { ends: 1006, cause: 'close-timeout', still: 'client', options: short },
  },
  both: {
    'client half-closes': { ends: 1006, sees: 'nothing', delivers: 'up' },
    'client resets': { ends: 1006 },
    'client destroys': { ends: 1006 },
    'client sends Close': { ends: 3001, sees: 3001, delivers: 'up' },
    'client breaks the protocol': { ends: 1002, sees: 1002, delivers: 'up' },
    'backend half-closes': { ends: 1000, sees: 1000, delivers: 'both' },
    'backend ends and reads no more': {
      ends: 1000,
      sees: 1000,
      delivers: 'down',
      still: 'backend',
      options: short,
    },
    'backend resets': { ends: 1011, sees: 1011 },
    'backend destroys': { ends: 1011, sees: 1011 },
    'app end()': { ends: 1008, sees: 1008, drops: 'up' },
    'app close()': { ends: 1001, sees: 1001, delivers: 'up' },
    'app close() at once': [
      { ends: 1001 },
      { ends: 1001, still: 'client' },
      { ends: 1001, still: 'backend' },
    ],
    ...handshakeIsOver,
    idleTimeout: { ends: 1001, sees: 1001, delivers: 'both' },
    maxDuration: { ends: 1001, sees: 1001 },
    readTimeout: { ends: 1011, sees: 1011, delivers: 'down' },
    writeTimeout: { ends: 1011, sees: 1011, still: 'backend', options: short },
    pongTimeout: { ends: 1006, delivers: 'both' },
    ...nothingCloses,
    ...loginEnds,
  },
  'we closed': {
    ...because('backend-ended', closeSent),
    ...each(['backend half-closes', 'backend ends and reads no more'], 'it has ended already'),
  },
  'client closed': because('client-closed', closeSent),
  refused: {
    ...each(keysOf(clientActions), { ends: 'WSTUNNEL_NOT_AUTHENTICATED' }),
    ...noBackend,
    'app end()': 'nothing is open',
    ...each(['app close()', 'app close() at once'], { ends: 'WSTUNNEL_NOT_AUTHENTICATED' }),
    ...handshakeIsOver,
    ...watchIsOver,
    closeTimeout: { ends: 'WSTUNNEL_NOT_AUTHENTICATED', still: 'client' },
  },
  closed: {
    ...each([...keysOf(clientActions), ...keysOf(backendActions)], 'its socket is freed'),
    ...each(keysOf(appActions), { ends: 1000, cause: 'client-closed' }),
    ...each([...keysOf(timers), ...keysOf(logins)], 'none is set, as every row counts'),
  },
};

const cells = phases.flatMap((phase) =>
  actions.map((action) => ({ phase, action, cell: table[phase][action] })),
);
const rows = cells.flatMap(({ cell, ...where }) => rowsOf(cell).map((row) => ({ ...where, row })));

test('the table lists every action in every phase', () => {
  expect(Object.keys(table)).toEqual([...phases]);
  for (const phase of phases) expect(Object.keys(table[phase]).sort()).toEqual([...actions].sort());
  const meaningless = cells.filter(({ cell }) => typeof cell === 'string');
  const meant = new Set(rows.map(({ phase, action }) => `${phase}: ${action}`));
  expect(meant.size + meaningless.length).toBe(phases.length * actions.length);
});

describe.each(rows)('$phase: $action', ({ phase, action, row }) => {
  test(titleOf(row), async () => {
    const isEndOfLogin = isLogin(action);
    const own = isEndOfLogin ? logins[action] : isTimer(action) && timers[action];
    const scene = await arrange(phase, { ...own, ...row.options });
    if (isEndOfLogin) scene.endLogin();
    const acted = isEndOfLogin || isTimer(action) ? undefined : acts[action](scene);
    if (typeof row.ends === 'number') scene.release();
    if (row.still !== 'backend') scene.backendFinishes();
    const heard = row.still === 'client' ? undefined : scene.clientFinishes();
    const end = await scene.ended();
    expect(end.code).toBe(row.ends);
    if ('cause' in end) expect(row.cause ? [row.cause] : causes[action]).toContain(end.cause);
    if (row.sees !== undefined) expect((await heard)?.last).toBe(row.sees);
    await scene.over();
    await acted;
    await checkBytes(scene, [action], row);
    if (row.delivers === 'up' || row.delivers === 'both')
      expect(scene.received().length).toBe(scene.sent.length);
    if (row.drops) expect(scene.received().length).toBeLessThan(scene.sent.length);
    if (row.delivers === 'down' || row.delivers === 'both')
      expect((await scene.clientFinishes()).payload.length).toBe(scene.served.length);
  });
});

/** The phases in which two actions meet: before the 101, silent, busy in both directions, and during the end. */
const meetings = [
  'claim',
  'open',
  'both',
  'we closed',
  'client closed',
  'refused',
] as const satisfies Phase[];
const gaps = { 'in the same turn': 0, 'a turn later': 1 };

/** Pairs of actions. The backend always keeps reading, so that no deadline decides the outcome. */
const pairs = meetings.flatMap((phase) => {
  const meant = keysOf(acts).filter((action) => action !== 'backend ends and reads no more');
  const here = meant.filter((action) => rowsOf(table[phase][action]).length > 0);
  return here.flatMap((first) => here.map((second) => ({ phase, first, second })));
});

/** The codes that a pair may end with. */
function endsOf({ phase, first, second }: (typeof pairs)[number]): Row['ends'][] {
  const ends = [first, second].map((action) => rowsOf(table[phase][action])[0]!.ends);
  // An end by the app takes effect at once and wins. The second action may overtake any other first action.
  if (first in appActions) return ends.slice(0, 1);
  // While early bytes are queued before the 101, the client's end is not visible; a reset may discard these bytes.
  if (phase === 'claim' && first in clientActions && typeof ends[0] === 'number' && second in clientActions)
    return [...ends, 1006];
  return ends;
}

describe.each(pairs)('$phase: $first, then $second', (pair) => {
  const { phase, first, second } = pair;
  const ends = endsOf(pair);
  test.each(keysOf(gaps))(`%s: ends with ${[...new Set(ends)].join(' or ')}`, async (gap) => {
    const scene = await arrange(phase);
    const acted = [acts[first](scene)];
    for (let turns = gaps[gap]; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    acted.push(acts[second](scene));
    // A refusal happens while the 101 is delayed, any other end after the 101.
    if (ends.every((end) => typeof end === 'number') || ends.includes(1006)) scene.release();
    scene.backendFinishes();
    const heard = scene.clientFinishes();
    expect(ends).toContain((await scene.ended()).code);
    await scene.over();
    await Promise.all([...acted, heard]);
    await checkBytes(scene, [first, second], {});
  });
});

/** Arrived bytes are a prefix of the sent bytes, and equal the counts unless the connection was torn down. */
async function checkBytes(
  scene: Scene,
  done: readonly Action[],
  { still }: Pick<Row, 'still'>,
): Promise<void> {
  const end = await scene.ended();
  const counted = 'bytesIn' in end ? end : { bytesIn: 0, bytesOut: 0 };
  const received = scene.received();
  const { payload } = await scene.clientFinishes();
  expect(received.equals(scene.sent.subarray(0, received.length))).toBe(true);
  expect(payload.equals(scene.served.subarray(0, payload.length))).toBe(true);
  const torn = (by: readonly Action[]) => done.some((action) => by.includes(action));
  if (still === 'backend' || torn(['backend resets', 'backend destroys', 'app close() at once'])) {
    expect(counted.bytesIn).toBeGreaterThanOrEqual(received.length);
    expect(counted.bytesIn).toBeLessThanOrEqual(scene.sent.length);
  } else expect(counted.bytesIn).toBe(received.length);
  if (
    still === 'client' ||
    torn(['client resets', 'client destroys', 'app close() at once', 'pongTimeout'])
  ) {
    expect(counted.bytesOut).toBeGreaterThanOrEqual(payload.length);
    expect(counted.bytesOut).toBeLessThanOrEqual(scene.served.length);
  } else expect(counted.bytesOut).toBe(payload.length);
}

function titleOf({ ends, still, options: { host, ...rest } = {} }: Row): string {
  const settings = Object.entries({ ...rest, ...host }).map(
    ([name, value]) => `${name} ${JSON.stringify(value)}`,
  );
  return [`ends with ${ends}`, ...(still ? [`the ${still} does nothing`] : []), ...settings].join(', ');
}

function isTimer(action: Action): action is keyof typeof timers {
  return action in timers;
}

function isLogin(action: Action): action is keyof typeof logins {
  return action in logins;
}

/** libuv cannot reset a socket between `end` and `finish`. */
function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.once('finish', () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}

function keysOf<Key extends string>(of: Record<Key, unknown>): Key[] {
  return Object.keys(of) as Key[];
}

function rowsOf(cell: Cell): readonly Row[] {
  return typeof cell === 'string' ? [] : [cell].flat();
}

/** The same rows, for tunnels already ended by the cause. */
function because<Key extends Action>(cause: CloseCause, cells: Record<Key, Cell>): Record<Key, Cell> {
  const withCause = (cell: Cell): Cell =>
    typeof cell === 'string' ? cell : rowsOf(cell).map((row) => ({ ...row, cause }));
  return Object.fromEntries(keysOf(cells).map((key) => [key, withCause(cells[key])])) as Record<Key, Cell>;
}

/** The same cell in all these columns. */
function each<Key extends Action, Same extends Cell>(columns: readonly Key[], same: Same): Record<Key, Same> {
  return Object.fromEntries(columns.map((column) => [column, same])) as Record<Key, Same>;
}
