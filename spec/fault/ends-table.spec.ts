import { describe, expect, test } from 'vitest';
import type { TunnelOptions } from '../../src/index.js';
import { arrange, type Phase, type Scene } from '../support/integrity-table.js';
import { closeFrame } from '../support/raw-client.js';
import { until } from '../support/wait.js';

const actions = {
  'client ends': ({ client }) => client.socket.end(),
  'client resets': ({ client }) => client.socket.resetAndDestroy(),
  'client destroys': ({ client }) => client.socket.destroy(),
  'client sends Close': ({ client }) => client.send(closeFrame(3001, 'mine')),
  'client breaks the protocol': ({ client }) => client.send(Buffer.from([0xff, 0xff])),
  'backend ends': ({ backend }) => backend!.end(),
  'backend resets': ({ backend }) => backend!.resetAndDestroy(),
  'backend destroys': ({ backend }) => backend!.destroy(),
  'app end()': ({ tunnel }) => tunnel.end(() => true),
  'app close()': ({ tunnel }) => void tunnel.close({ timeout: 60 }),
  'app close() at once': ({ tunnel }) => void tunnel.close({ timeout: 0 }),
  'a timer': () => undefined,
} satisfies Record<string, (scene: Scene) => unknown>;

interface Row {
  readonly phase: Phase;
  readonly act: keyof typeof actions;
  /** The close code, or the code of the refusal. */
  readonly ends: number | string;
  /** What the client sees: a status, the code of a Close, or nothing; undefined where it has left. */
  readonly sees?: number | 'nothing';
  /** All that was on the way arrives. */
  readonly delivers?: 'up' | 'down';
  readonly options?: Partial<TunnelOptions> & { host?: object };
}

const short = { closeTimeout: 0.2 };
const GONE = 'WSTUNNEL_CLIENT_GONE';
const DRAINING = 'WSTUNNEL_DRAINING';
const LATE = 'WSTUNNEL_HANDSHAKE_TIMEOUT';

const rows: Row[] = [
  ...(['guard', 'dialling'] as const).flatMap((phase): Row[] => [
    { phase, act: 'client ends', ends: GONE },
    { phase, act: 'client resets', ends: GONE },
    { phase, act: 'client destroys', ends: GONE },
    { phase, act: 'app close()', ends: DRAINING, sees: 503 },
    { phase, act: 'app close() at once', ends: DRAINING, sees: 503 },
    { phase, act: 'a timer', ends: LATE, sees: 504, options: { handshakeTimeout: 0.2 } },
  ]),
  {
    phase: 'dialling',
    act: 'a timer',
    ends: 'WSTUNNEL_BACKEND_TIMEOUT',
    sees: 504,
    options: { host: { connectTimeout: 0.2 } },
  },

  { phase: 'open', act: 'client ends', ends: 1006, sees: 'nothing' },
  { phase: 'open', act: 'client resets', ends: 1006 },
  { phase: 'open', act: 'client destroys', ends: 1006 },
  { phase: 'open', act: 'client sends Close', ends: 3001, sees: 3001 },
  { phase: 'open', act: 'client breaks the protocol', ends: 1002, sees: 1002 },
  { phase: 'open', act: 'backend ends', ends: 1000, sees: 1000, options: short },
  { phase: 'open', act: 'backend resets', ends: 1011, sees: 1011, options: short },
  { phase: 'open', act: 'backend destroys', ends: 1000, sees: 1000, options: short },
  { phase: 'open', act: 'app end()', ends: 1008, sees: 1008, options: short },
  { phase: 'open', act: 'app close()', ends: 1001, sees: 1001, options: short },
  { phase: 'open', act: 'app close() at once', ends: 1001 },
  { phase: 'open', act: 'a timer', ends: 1001, sees: 1001, options: { ...short, idleTimeout: 0.1 } },
  { phase: 'open', act: 'a timer', ends: 1001, sees: 1001, options: { ...short, maxDuration: 0.1 } },
  {
    phase: 'open',
    act: 'a timer',
    ends: 1011,
    sees: 1011,
    options: { ...short, host: { readTimeout: 0.1 } },
  },
  { phase: 'open', act: 'a timer', ends: 1006, options: { ...short, pingInterval: 0.05, pongTimeout: 0.1 } },

  { phase: 'up', act: 'client ends', ends: 1006, delivers: 'up' },
  { phase: 'up', act: 'client resets', ends: 1006, options: short },
  { phase: 'up', act: 'client sends Close', ends: 3001, sees: 3001, delivers: 'up' },
  { phase: 'up', act: 'client breaks the protocol', ends: 1002, sees: 1002, delivers: 'up' },
  { phase: 'up', act: 'backend ends', ends: 1000, sees: 1000, options: short },
  { phase: 'up', act: 'backend resets', ends: 1011, sees: 1011, options: short },
  { phase: 'up', act: 'backend destroys', ends: 1011, sees: 1011, options: short },
  { phase: 'up', act: 'app end()', ends: 1008, sees: 1008, options: short },
  { phase: 'up', act: 'app close()', ends: 1001, sees: 1001, options: short },
  { phase: 'up', act: 'a timer', ends: 1011, sees: 1011, options: { ...short, host: { writeTimeout: 0.1 } } },

  { phase: 'down', act: 'client resets', ends: 1006 },
  { phase: 'down', act: 'client destroys', ends: 1006 },
  { phase: 'down', act: 'client sends Close', ends: 3001, sees: 3001 },
  { phase: 'down', act: 'backend ends', ends: 1000, sees: 1000, delivers: 'down' },
  { phase: 'down', act: 'app end()', ends: 1008, sees: 1008 },
  { phase: 'down', act: 'app close()', ends: 1001, sees: 1001 },
  { phase: 'down', act: 'app close() at once', ends: 1001 },
  { phase: 'down', act: 'a timer', ends: 1006, options: { pingInterval: 0.05, pongTimeout: 0.1 } },

  ...(['we closed', 'client closed'] as const).flatMap((phase): Row[] => [
    { phase, act: 'client ends', ends: 1000, sees: 'nothing', options: short },
    { phase, act: 'client resets', ends: 1000, options: short },
    { phase, act: 'backend resets', ends: 1000, options: short },
    { phase, act: 'backend destroys', ends: 1000, options: short },
    { phase, act: 'app end()', ends: 1000, options: short },
    { phase, act: 'app close() at once', ends: 1000 },
    { phase, act: 'a timer', ends: 1000, options: short },
  ]),
  { phase: 'we closed', act: 'client sends Close', ends: 1000, sees: 'nothing' },
  { phase: 'we closed', act: 'client breaks the protocol', ends: 1000, sees: 'nothing' },
];

const settingsOf = ({ options: { host, ...rest } = {} }: Row) =>
  Object.entries({ ...rest, ...host }).map(([name, value]) => `${name} ${JSON.stringify(value)}`);

/** The backend reads again, and ends when its client has. */
function letBackendFinish({ backend }: Scene): void {
  backend?.on('end', () => backend.end());
  backend?.resume();
}

async function seen({ client, served }: Scene, row: Row): Promise<number | 'nothing' | undefined> {
  if (row.sees === undefined) return undefined;
  if (typeof row.ends === 'string') return (await client.answer()).status;
  if (row.delivers === 'down') expect((await client.payload(served.length)).equals(served)).toBe(true);
  const { code } = (await client.close()) ?? { code: 'nothing' as const };
  // Our own Close is answered; nothing may follow it.
  if (!client.socket.destroyed && code !== 'nothing') client.send(closeFrame(1000));
  client.socket.end();
  expect(await client.rest()).toHaveLength(0);
  return code;
}

describe.each(rows)('$phase: $act', (row) => {
  test([`ends with ${row.ends}`, ...settingsOf(row)].join(', '), async () => {
    const scene = await arrange(row.phase, row.options ?? {});
    const { client } = scene;
    actions[row.act](scene);
    client.socket.resume();
    if (row.phase === 'down' && row.sees === undefined) client.socket.pause();
    if (row.delivers === 'up') {
      letBackendFinish(scene);
      await until(() => scene.received().length === scene.sent.length);
      expect(scene.received().equals(scene.sent)).toBe(true);
    } else if (row.phase !== 'up') letBackendFinish(scene);
    expect(await seen(scene, row)).toBe(row.sees);
    const info = await scene.over();
    expect(info.code).toBe(row.ends);
    if (!('bytesIn' in info)) return;
    if (row.delivers === 'up') expect(info.bytesIn).toBe(scene.sent.length);
    if (row.delivers === 'down') expect(info.bytesOut).toBe(scene.served.length);
  });
});
