import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { messageOf } from '../../errors.js';
import { within } from '../../helpers/within.js';
import { readOutput } from './output.js';
import { removeStaleSocket } from './listening-socket.js';
import { killStragglers, sendSignal } from './stragglers.js';
import { launch, type LaunchSettings } from './supervisor.js';

/** Seconds after SIGKILL in which even a process that is stuck in the kernel should have ended. */
const GIVE_UP = 5;

/** A started program, with the processes that it forks. */
export class Child {
  /** Resolves after the end of the program, to a text that says how the program ended. Never rejects. */
  readonly exited: Promise<string>;
  /** Resolves when no process and no socket of the program is left. */
  readonly gone: Promise<void>;
  readonly pid: number | undefined;
  /** The error of a program that could not be started. */
  startError: Error | undefined;
  readonly #killSignal: NodeJS.Signals;
  readonly #timers = new Set<NodeJS.Timeout>();
  #hasExited = false;
  #giveUp = () => {};

  constructor(settings: LaunchSettings, print: (line: string) => void) {
    this.#killSignal = settings.killSignal;
    const child = launch(settings);
    this.pid = child.pid;
    // Without free descriptors `stdio` is undefined; the `error` event of the child follows.
    const stdio = (child.stdio as ChildProcess['stdio'] | undefined) ?? [];
    const output = stdio[1] as (Readable & Partial<Socket>) | null | undefined;
    const lifeline = stdio[3] as Socket | null | undefined;
    const stopReading = output ? readOutput(output, print) : () => {};
    lifeline?.on('error', () => undefined);
    // Only the watcher has the other end of the lifeline: the lifeline closes when the watcher ends.
    const released = new Promise<void>((resolve) => lifeline?.resume().once('close', resolve));
    // The child must not keep the app alive: when the app ends, the watcher ends the program.
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
      await killStragglers(settings.mark);
      // The socket may already belong to the program of another app.
      if (settings.socket !== undefined) await removeStaleSocket(settings.socket).catch(() => undefined);
      // The watcher is ended last: if the app dies earlier, the watcher cleans up instead. While the watcher runs, the kernel
      // can't give the number of the process group to other processes.
      if (this.pid !== undefined) sendSignal(-this.pid, 'SIGKILL');
      if (this.pid !== undefined && lifeline) await within(GIVE_UP, released);
      lifeline?.destroy();
      stopReading();
    });
  }

  /** Asks the program and the program's forks to end, and kills them after `grace` seconds. A later call may shorten `grace`. */
  end(grace: number): void {
    const { pid } = this;
    if (this.#hasExited || pid === undefined) return;
    sendSignal(-pid, grace > 0 ? this.#killSignal : 'SIGKILL');
    this.#after(grace, () => sendSignal(-pid, 'SIGKILL'));
    this.#after(grace + GIVE_UP, () => this.#giveUp());
  }

  /** The timer is not unref'd: the app stays alive until the program has ended. */
  #after(seconds: number, act: () => unknown): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, seconds * 1000);
    this.#timers.add(timer);
  }
}
