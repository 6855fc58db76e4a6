import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { messageOf } from '../../errors.js';
import { within } from '../../helpers/within.js';
import { readOutput } from './output.js';
import { removeStaleSocket } from './process-address.js';
import { killStragglers, sendSignal } from './stragglers.js';
import { launch, type LaunchSettings } from './supervisor.js';

/** Seconds after SIGKILL in which even a process that is stuck in the kernel should be gone. */
const GIVE_UP = 5;

/** A started program, and all that comes of it. */
export class Child {
  /** Settles when the program has ended, with how, and never rejects. */
  readonly exited: Promise<string>;
  /** The same, and nothing of it is left. */
  readonly gone: Promise<void>;
  readonly pid: number | undefined;
  /** Why it could not even be started. */
  startError: Error | undefined;
  readonly #killSignal: NodeJS.Signals;
  readonly #timers = new Set<NodeJS.Timeout>();
  #hasExited = false;
  #giveUp = () => {};

  constructor(given: LaunchSettings, print: (line: string) => void) {
    this.#killSignal = given.killSignal;
    const child = launch(given);
    this.pid = child.pid;
    // Without free descriptors there are none, and the child's `error` comes all the same.
    const stdio = (child.stdio as ChildProcess['stdio'] | undefined) ?? [];
    const output = stdio[1] as (Readable & Partial<Socket>) | null | undefined;
    const lifeline = stdio[3] as Socket | null | undefined;
    const stopReading = output ? readOutput(output, print) : () => {};
    lifeline?.on('error', () => undefined);
    // The watcher has the other end, alone: it closes with the watcher.
    const released = new Promise<void>((resolve) => lifeline?.resume().once('close', resolve));
    // The app may end when it has nothing else to do: the watcher then ends the program.
    for (const one of [child, output, lifeline]) one?.unref?.();
    this.exited = new Promise((resolve) => {
      const settle = (how: string) => {
        this.#hasExited = true;
        for (const timer of this.#timers) clearTimeout(timer);
        resolve(how);
      };
      child.once('exit', (code, name) =>
        settle(name ? `ended by ${name}` : `ended with code ${code ?? '?'}`),
      );
      child.on('error', (error) => {
        this.startError = error;
        settle(`could not be started: ${messageOf(error)}`);
      });
      this.#giveUp = () => settle('did not end, not even by SIGKILL');
    });
    this.gone = this.exited.then(async () => {
      await killStragglers(given.mark);
      // By now it may be that of another app's program.
      if (given.socket !== undefined) await removeStaleSocket(given.socket).catch(() => undefined);
      // The watcher last: if the app dies before, it does all this. Its presence has kept this number ours.
      if (this.pid !== undefined) sendSignal(-this.pid, 'SIGKILL');
      if (this.pid !== undefined && lifeline) await within(GIVE_UP, released);
      lifeline?.destroy();
      stopReading();
    });
  }

  /** Asks the program and what it forked to end; after `grace` seconds they are killed. May be called again with less. */
  end(grace: number): void {
    const { pid } = this;
    if (this.#hasExited || pid === undefined) return;
    sendSignal(-pid, grace > 0 ? this.#killSignal : 'SIGKILL');
    this.#after(grace, () => sendSignal(-pid, 'SIGKILL'));
    this.#after(grace + GIVE_UP, () => this.#giveUp());
  }

  /** Keeps the app alive meanwhile: who ends a program wants it ended. */
  #after(seconds: number, act: () => unknown): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, seconds * 1000);
    this.#timers.add(timer);
  }
}
