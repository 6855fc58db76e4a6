import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { TunnelOptions } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { handshake } from '../support/raw-client.js';
import { sleep, until } from '../support/wait.js';

/** Resources used by the process of the tunnel. */
export interface Used {
  /** Resident bytes: now, and the peak since the last call. */
  readonly now: number;
  readonly peak: number;
  /** Seconds since the start of the process. */
  readonly cpu: number;
  /** Number of active timers. */
  readonly timers: number;
  /** Number of open tunnels. */
  readonly open: number;
  /** Number of past tunnels by code and reason. */
  readonly ended: Readonly<Record<string, number>>;
}

export interface TunnelProcess {
  /** Resources used so far; before the measurement the event loop is blocked for `stall` milliseconds. */
  readonly used: (stall?: number) => Promise<Used>;
  /** Opens a client with a tunnel. */
  readonly open: () => Promise<Socket>;
}

/** A tunnel in a separate process, on a free port or on a unix socket. */
export async function startProcess(options: TunnelOptions, path?: string): Promise<TunnelProcess> {
  const script = fileURLToPath(new URL('bounds-server.mjs', import.meta.url));
  const child = fork(script, [JSON.stringify(options), ...(path === undefined ? [] : [path])]);
  onCleanup(async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const { port } = await message<{ port: number }>(child);
  return {
    used: (stall = 0) => {
      child.send(stall);
      return message<Used>(child);
    },
    open: async () => {
      const target = path === undefined ? { port, host: '127.0.0.1' } : { path };
      const socket = connect({ ...target, allowHalfOpen: true });
      onCleanup(() => socket.destroy());
      socket.on('error', () => undefined);
      socket.write(handshake('/tunnel'));
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 101 .*\r\n\r\n/s);
      return socket;
    },
  };
}

async function message<T>(child: ChildProcess): Promise<T> {
  return ((await once(child, 'message')) as [T])[0];
}

/** Writes the block repeatedly, as fast as the socket accepts bytes. */
export async function pump(socket: Socket, block: Buffer, times: number): Promise<void> {
  for (let i = 0; i < times; i++) if (!socket.write(block)) await once(socket, 'drain');
}

/** Resolves once the value has not changed for a while. */
export async function settled(value: () => number | Promise<number>): Promise<void> {
  let last = await value();
  let same = 0;
  await until(async () => {
    await sleep(20);
    const now = await value();
    same = now === last ? same + 1 : 0;
    last = now;
    return same === 20;
  });
}
