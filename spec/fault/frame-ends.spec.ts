import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { CloseCause } from '../../src/index.js';
import { closeFrame } from '../support/raw-client.js';
import { plainClose } from '../support/websocket-server.js';
import { arrange, phases, type Heard, type Phase, type Scene, type TableOptions } from './frame-ends.js';

type Act = (scene: Scene) => unknown;

const clientActions = {
  'client half-closes': ({ client }) => client.socket.end(),
  'client resets': ({ client }) => reset(client.socket),
  'client destroys': ({ client }) => client.socket.destroy(),
  'client sends Close': ({ client }) => client.socket.writable && client.send(closeFrame(3001, 'mine')),
  'client breaks the protocol': ({ client }) =>
    client.socket.writable && client.send(Buffer.from([0xff, 0xff])),
} satisfies Record<string, Act>;

const backendActions = {
  'backend half-closes': ({ backend }) => backend.socket.end(),
  'backend resets': ({ backend }) => reset(backend.socket),
  'backend destroys': ({ backend }) => backend.socket.destroy(),
  'backend sends Close': ({ backend }) =>
    backend.socket.writable && backend.send(plainClose(4001, 'its own')),
  'backend breaks the protocol': ({ backend }) =>
    backend.socket.writable && backend.send(Buffer.from([0xff, 0xff])),
} satisfies Record<string, Act>;

const appActions = {
  'app end()': ({ tunnel }) => tunnel.end(() => true),
  'app close()': ({ tunnel }) => tunnel.close({ timeout: 60 }),
  'app close() at once': ({ tunnel }) => tunnel.close({ timeout: 0 }),
} satisfies Record<string, Act>;

const timers = {
  idleTimeout: { idleTimeout: 0.3 },
  maxDuration: { maxDuration: 0.3 },
  readTimeout: { host: { readTimeout: 0.3 } },
  writeTimeout: { host: { writeTimeout: 0.3 } },
  pongTimeout: { pingInterval: 0.05, pongTimeout: 0.1 },
  closeTimeout: { closeTimeout: 0.2 },
} satisfies Record<string, TableOptions>;

const acts = { ...clientActions, ...backendActions, ...appActions };
const actions = [...keysOf(acts), ...keysOf(timers)];
type Action = (typeof actions)[number];

interface Row {
  readonly ends: number;
  readonly cause?: CloseCause;
  /** The last input of each side, unless the side has left or was cut off. */
  readonly client?: Heard['last'];
  readonly backend?: Heard['last'];
  readonly delivers?: 'up' | 'down';
  /** The inactive side: the tunnel has to end without help from there. */
  readonly still?: 'client' | 'backend';
  readonly options?: TableOptions;
}
/** A text: the reason why the action has no meaning in this phase. */
type Cell = Row | readonly Row[] | string;

const causes: Record<Action, readonly CloseCause[]> = {
  'client half-closes': ['client-ended'],
  'client resets': ['client-lost', 'client-ended'],
  'client destroys': ['client-lost', 'client-ended'],
  'client sends Close': ['client-closed'],
  'client breaks the protocol': ['protocol-error'],
  'backend half-closes': ['backend-failed'],
  'backend resets': ['backend-failed'],
  'backend destroys': ['backend-failed'],
  'backend sends Close': ['backend-closed'],
  'backend breaks the protocol': ['backend-failed'],
  'app end()': ['ended-by-app'],
  'app close()': ['drain'],
  'app close() at once': ['drain'],
  idleTimeout: ['idle'],
  maxDuration: ['max-duration'],
  readTimeout: ['read-timeout'],
  writeTimeout: ['write-timeout'],
  pongTimeout: ['client-silent'],
  closeTimeout: ['close-timeout'],
};

const short = timers.closeTimeout;
const inItsFrame = 'is payload of the current frame';
const nothingCloses = { closeTimeout: 'begins with a Close' } as const;
const nothingWaits = { writeTimeout: 'nothing is queued for the backend' } as const;
const watchIsOver = each(
  ['idleTimeout', 'maxDuration', 'readTimeout', 'writeTimeout', 'pongTimeout'],
  'ended with the first Close',
);

const table: Record<Phase, Record<Action, Cell>> = {
  open: {
    'client half-closes': { ends: 1006, client: 'nothing', backend: 1001 },
    'client resets': { ends: 1006, backend: 1001 },
    'client destroys': { ends: 1006, backend: 1001 },
    'client sends Close': [
      { ends: 3001, client: 1000, backend: 3001 },
      { ends: 1011, cause: 'undelivered', client: 1011, still: 'backend', options: short },
    ],
    'client breaks the protocol': { ends: 1002, client: 1002, backend: 1001 },
    'backend half-closes': { ends: 1011, client: 1011 },
    'backend resets': { ends: 1011, client: 1011 },
    'backend destroys': { ends: 1011, client: 1011 },
    'backend sends Close': [
      { ends: 4001, client: 4001, backend: 1000 },
      { ends: 4001, still: 'client', options: short },
    ],
    'backend breaks the protocol': { ends: 1011, client: 1011, backend: 1002 },
    'app end()': [
      { ends: 1008, client: 1008, backend: 1000 },
      { ends: 1008, backend: 1000, still: 'client', options: short },
      { ends: 1008, client: 1008, still: 'backend', options: short },
    ],
    'app close()': { ends: 1001, client: 1001, backend: 1001 },
    'app close() at once': [
      { ends: 1001 },
      { ends: 1001, still: 'client' },
      { ends: 1001, still: 'backend' },
    ],
    idleTimeout: { ends: 1001, client: 1001, backend: 1001 },
    maxDuration: { ends: 1001, client: 1001, backend: 1001 },
    readTimeout: { ends: 1011, client: 1011, backend: 1001 },
    pongTimeout: { ends: 1006, backend: 1001 },
    ...nothingWaits,
    ...nothingCloses,
  },
  'within a frame up': {
    'client half-closes': { ends: 1006, client: 'nothing', backend: 'nothing' },
    'client resets': { ends: 1006, backend: 'nothing' },
    'client destroys': { ends: 1006, backend: 'nothing' },
    'client sends Close': inItsFrame,
    'client breaks the protocol': inItsFrame,
    // The client's answer is payload of its frame too.
    ...each(['backend half-closes', 'backend resets', 'backend destroys', 'backend breaks the protocol'], {
      ends: 1011,
      client: 1011,
      options: short,
    }),
    'backend sends Close': { ends: 4001, client: 4001, options: short },
    'app end()': { ends: 1008, client: 1008, backend: 'nothing', options: short },
    'app close()': { ends: 1001, client: 1001, backend: 'nothing', options: short },
    'app close() at once': { ends: 1001 },
    idleTimeout: { ends: 1001, client: 1001, backend: 'nothing', options: short },
    maxDuration: { ends: 1001, client: 1001, backend: 'nothing', options: short },
    readTimeout: { ends: 1011, client: 1011, backend: 'nothing', options: short },
    pongTimeout: { ends: 1006, backend: 'nothing' },
    ...nothingWaits,
    ...nothingCloses,
  },
  'within a frame down': {
    'client half-closes': { ends: 1006, client: 'nothing', backend: 1001 },
    'client resets': { ends: 1006, backend: 1001 },
    'client destroys': { ends: 1006, backend: 1001 },
    // The backend's answer is payload of its frame, and the backend ends within the frame.
    'client sends Close': { ends: 1006, cause: 'undelivered', client: 'nothing', backend: 3001 },
    'client breaks the protocol': { ends: 1006, client: 'nothing', backend: 1001 },
    ...each(['backend half-closes', 'backend resets', 'backend destroys'], { ends: 1006, client: 'nothing' }),
    'backend sends Close': inItsFrame,
    'backend breaks the protocol': inItsFrame,
    'app end()': { ends: 1006, client: 'nothing', backend: 1000 },
    'app close()': { ends: 1006, cause: 'close-timeout', client: 'nothing', options: short },
    'app close() at once': { ends: 1006 },
    idleTimeout: { ends: 1006, client: 'nothing', backend: 1001 },
    maxDuration: { ends: 1006, client: 'nothing', backend: 1001 },
    readTimeout: { ends: 1006, client: 'nothing', backend: 1001 },
    pongTimeout: { ends: 1006, backend: 1001 },
    ...nothingWaits,
    ...nothingCloses,
  },
  up: {
    'client half-closes': { ends: 1006, client: 'nothing', backend: 1001, delivers: 'up' },
    'client resets': { ends: 1006 },
    'client destroys': { ends: 1006 },
    'client sends Close': { ends: 3001, client: 1000, backend: 3001, delivers: 'up' },
    'client breaks the protocol': { ends: 1002, client: 1002, backend: 1001, delivers: 'up' },
    'backend half-closes': { ends: 1011, client: 1011 },
    'backend resets': { ends: 1011, client: 1011 },
    'backend destroys': { ends: 1011, client: 1011 },
    'backend sends Close': { ends: 4001, client: 4001, backend: 1000, delivers: 'up' },
    'backend breaks the protocol': { ends: 1011, client: 1011, backend: 'nothing' },
    'app end()': [
      { ends: 1008, client: 1008, backend: 'nothing' },
      { ends: 1008, client: 1008, still: 'backend', options: short },
    ],
    'app close()': { ends: 1001, client: 1001, backend: 1001, delivers: 'up' },
    'app close() at once': [{ ends: 1001 }, { ends: 1001, still: 'backend' }],
    idleTimeout: { ends: 1001, client: 1001 },
    maxDuration: { ends: 1001, client: 1001 },
    readTimeout: { ends: 1011, client: 1011 },
    writeTimeout: { ends: 1011, client: 1011, still: 'backend', options: short },
    pongTimeout: { ends: 1006, delivers: 'up' },
    ...nothingCloses,
  },
  down: {
    'client half-closes': { ends: 1006, client: 'nothing', backend: 1001 },
    'client resets': { ends: 1006, backend: 1001 },
    'client destroys': { ends: 1006, backend: 1001 },
    'client sends Close': { ends: 3001, client: 1000, backend: 3001, delivers: 'down' },
    'client breaks the protocol': { ends: 1002, client: 1002, backend: 1001, delivers: 'down' },
    'backend half-closes': { ends: 1011, client: 1011, delivers: 'down' },
    'backend resets': { ends: 1006, client: 'nothing' },
    'backend destroys': { ends: 1006, client: 'nothing' },
    'backend sends Close': { ends: 4001, client: 4001, delivers: 'down' },
    'backend breaks the protocol': { ends: 1011, client: 1011, delivers: 'down' },
    'app end()': [
      { ends: 1008, client: 1008, backend: 1000, delivers: 'down' },
      { ends: 1006, cause: 'close-timeout', still: 'client', options: short },
    ],
    'app close()': { ends: 1001, client: 1001, backend: 1001, delivers: 'down' },
    'app close() at once': [{ ends: 1006 }, { ends: 1006, still: 'client' }],
    idleTimeout: [
      { ends: 1001, client: 1001, backend: 1001, delivers: 'down' },
      { ends: 1006, cause: 'close-timeout', still: 'client', options: short },
    ],
    maxDuration: { ends: 1001, client: 1001, backend: 1001, delivers: 'down' },
    readTimeout: { ends: 1011, client: 1011, backend: 1001, delivers: 'down' },
    pongTimeout: { ends: 1006, still: 'client' },
    ...nothingWaits,
    ...nothingCloses,
  },
  both: {
    'client half-closes': { ends: 1006, client: 'nothing' },
    'client resets': { ends: 1006 },
    'client destroys': { ends: 1006 },
    'client sends Close': { ends: 3001, client: 1000, backend: 3001, delivers: 'up' },
    'client breaks the protocol': { ends: 1002, client: 1002, backend: 1001, delivers: 'up' },
    'backend half-closes': { ends: 1011, client: 1011, delivers: 'down' },
    'backend resets': { ends: 1006, client: 'nothing' },
    'backend destroys': { ends: 1006, client: 'nothing' },
    'backend sends Close': { ends: 4001, client: 4001, delivers: 'down' },
    'backend breaks the protocol': { ends: 1011, client: 1011, delivers: 'down' },
    'app end()': { ends: 1008, client: 1008, backend: 'nothing', delivers: 'down' },
    'app close()': { ends: 1001, client: 1001, backend: 1001, delivers: 'up' },
    'app close() at once': { ends: 1006 },
    idleTimeout: { ends: 1001, client: 1001 },
    maxDuration: { ends: 1001, client: 1001 },
    readTimeout: { ends: 1011, client: 1011 },
    writeTimeout: { ends: 1011, client: 1011, still: 'backend', options: short },
    pongTimeout: { ends: 1006 },
    ...nothingCloses,
  },
  'client closed': {
    ...because('client-closed', each(keysOf(clientActions), { ends: 1000, backend: 'nothing' })),
    ...because(
      'undelivered',
      each(['backend half-closes', 'backend resets', 'backend destroys', 'backend breaks the protocol'], {
        ends: 1011,
        client: 1011,
      }),
    ),
    'backend sends Close': { ends: 1000, cause: 'client-closed', client: 4001 },
    'app end()': { ends: 1000, cause: 'client-closed', client: 1008 },
    // The drain sends no Close where one was sent or received.
    'app close()': { ends: 1000, cause: 'client-closed', client: 1000 },
    'app close() at once': { ends: 1011, cause: 'undelivered', still: 'backend' },
    ...watchIsOver,
    closeTimeout: { ends: 1011, cause: 'undelivered', client: 1011, still: 'backend' },
  },
  'backend closed': {
    ...because('backend-closed', {
      ...each(['client half-closes', 'client resets', 'client destroys', 'client breaks the protocol'], {
        ends: 1000,
        backend: 1000,
      }),
      'client sends Close': { ends: 1000, backend: 3001 },
      ...each(keysOf(backendActions), { ends: 1000 }),
      ...each(keysOf(appActions), { ends: 1000, client: 'nothing' }),
      closeTimeout: [
        { ends: 1000, still: 'client' },
        { ends: 1000, still: 'backend' },
      ],
    }),
    ...watchIsOver,
  },
  'tunnel closed': {
    ...because('ended-by-app', {
      ...each(keysOf(acts), { ends: 1000 }),
      closeTimeout: [
        { ends: 1000, still: 'client' },
        { ends: 1000, still: 'backend' },
      ],
    }),
    ...watchIsOver,
  },
};

const cells = phases.flatMap((phase) =>
  actions.map((action) => ({ phase, action, cell: table[phase][action] })),
);
const rows = cells.flatMap(({ cell, ...where }) => rowsOf(cell).map((row) => ({ ...where, row })));

test('the table lists every action in every phase', () => {
  for (const phase of phases) expect(Object.keys(table[phase]).sort()).toEqual([...actions].sort());
});

describe.each(rows)('$phase: $action', ({ phase, action, row }) => {
  const still = row.still ? `, the ${row.still} does nothing` : '';
  test(`ends with ${row.ends}${still}`, async () => {
    const scene = await arrange(phase, { ...(isTimer(action) && timers[action]), ...row.options });
    const acted = isTimer(action) ? undefined : acts[action](scene);
    const backend = row.still === 'backend' ? undefined : scene.backendFinishes();
    const client = row.still === 'client' ? undefined : scene.clientFinishes();
    const end = await scene.ended();
    expect([end.code, row.cause ? [row.cause] : causes[action]]).toEqual([
      row.ends,
      expect.arrayContaining([end.cause]),
    ]);
    if (row.client !== undefined) expect((await client)?.last).toBe(row.client);
    if (row.backend !== undefined) expect((await backend)?.last).toBe(row.backend);
    await scene.over();
    await acted;
    await checkBytes(scene, row.delivers);
  });
});

/** The phases in which two actions meet, and the first actions. Where much data is queued, each pair takes a second. */
const meetings = {
  open: keysOf(acts),
  'client closed': keysOf(acts),
  'backend closed': keysOf(acts),
  both: ['app end()', 'client sends Close', 'backend sends Close'],
} as const satisfies Partial<Record<Phase, readonly (keyof typeof acts)[]>>;
const pairs = keysOf(meetings).flatMap((phase) =>
  meetings[phase].flatMap((first) => keysOf(acts).map((second) => ({ phase, first, second }))),
);

describe.each(pairs)('$phase: $first, then $second', ({ phase, first, second }) => {
  test('ends once, and leaves nothing', async () => {
    const scene = await arrange(phase);
    const acted: unknown[] = [acts[first](scene), acts[second](scene)];
    void scene.backendFinishes();
    void scene.clientFinishes();
    await scene.over();
    await Promise.all(acted);
    await checkBytes(scene, undefined);
  });
});

/** Arrived bytes are a prefix of the sent bytes. */
async function checkBytes(scene: Scene, delivers: Row['delivers']): Promise<void> {
  const up = (await scene.backendFinishes()).payload;
  const down = (await scene.clientFinishes()).payload;
  const { sent } = scene;
  if (delivers === 'up') expect(up.length).toBe(sent.up.length);
  if (delivers === 'down') expect(down.length).toBe(sent.down.length);
  expect(up.equals(sent.up.subarray(0, up.length))).toBe(true);
  expect(down.equals(sent.down.subarray(0, down.length))).toBe(true);
  const { bytesIn, bytesOut } = await scene.ended();
  expect(bytesIn).toBeLessThanOrEqual(sent.up.length);
  expect(bytesOut).toBeLessThanOrEqual(sent.down.length);
  if (delivers === 'up') expect(bytesIn).toBe(up.length);
  if (delivers === 'down') expect(bytesOut).toBe(down.length);
}

/** libuv cannot reset a socket between `end` and `finish`. */
function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.once('finish', () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}

function isTimer(action: Action): action is keyof typeof timers {
  return action in timers;
}

function rowsOf(cell: Cell): readonly Row[] {
  if (typeof cell === 'string') return [];
  return 'ends' in cell ? [cell] : cell;
}

function keysOf<Key extends string>(record: Record<Key, unknown>): Key[] {
  return Object.keys(record) as Key[];
}

function each<Key extends string, Value>(keys: readonly Key[], value: Value): Record<Key, Value> {
  return Object.fromEntries(keys.map((key) => [key, value])) as Record<Key, Value>;
}

function because<Key extends string>(
  cause: CloseCause,
  cellsOf: Record<Key, Row | readonly Row[]>,
): Record<Key, readonly Row[]> {
  return Object.fromEntries(
    keysOf(cellsOf).map((key) => [key, rowsOf(cellsOf[key]).map((row) => ({ ...row, cause }))]),
  ) as unknown as Record<Key, readonly Row[]>;
}
