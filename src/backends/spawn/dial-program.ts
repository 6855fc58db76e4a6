import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TunnelError } from '../../errors.js';
import { dial } from '../dial.js';
import type { ResolvedHost } from '../host.js';

/** Milliseconds between attempts to reach a program that does not listen yet: the first pause, and the longest. */
const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 200;

/**
 * Dials a program repeatedly until the program listens. `wasReached` says before each attempt whether the program has accepted a
 * connection before: if so, a refused connection is final. Rejects with the reason of `stop`.
 */
export async function dialUntilListening(
  target: ResolvedHost,
  stop: AbortSignal,
  preface: Buffer | undefined,
  wasReached: () => boolean,
): Promise<Duplex> {
  for (let wait = FIRST_PAUSE; ; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
    const isFinal = wasReached();
    try {
      return await dial(target, stop, preface);
    } catch (error) {
      if (stop.aborted) throw stop.reason;
      if (isFinal || (error as TunnelError).code !== 'WSTUNNEL_BACKEND_REFUSED') throw error;
    }
    await pause(wait, stop);
  }
}

export async function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal: stop });
  } catch {
    throw stop.reason;
  }
}
