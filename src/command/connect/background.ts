import { fork } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, EXIT, SIGNALLED } from '../exit.js';
import type { Io } from '../io.js';
import type { ConnectPlan } from './arguments.js';

/** To the process in the background. */
export interface Start {
  readonly plan: ConnectPlan;
  readonly isVerbose: boolean;
}

/** From the process in the background to the one that started it. */
export type Report =
  | { readonly kind: 'said'; readonly text: string }
  | { readonly kind: 'listening' }
  | { readonly kind: 'ended'; readonly code: number };

/**
 * Runs a local port in a process of its own, in a session of its own, and resolves to 0 when that one listens: then a program can
 * connect. Its number goes to standard output. What keeps it from listening is printed here, and its exit code is ours.
 *
 * The plan is sent, not read again: a file of it may be a pipe of the shell's, and what it holds must not get on a command line. `args`
 * are for `ps` alone.
 */
export function runInBackground(io: Io, start: Start, args: readonly string[]): Promise<number> {
  const child = fork(join(__dirname, 'background-child.js'), args, {
    detached: true,
    serialization: 'advanced',
    // A terminal or a pipe would be kept from its end, with whoever reads it; a file is where its messages are wanted.
    stdio: ['ignore', 'ignore', isFile(2) ? 'inherit' : 'ignore', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    const stop = io.onSignal(['SIGTERM', 'SIGINT', 'SIGHUP'], (signal) => {
      child.kill('SIGTERM');
      settle(SIGNALLED[signal]);
    });
    const settle = (code: number) => {
      stop();
      child.removeAllListeners();
      // What becomes of it from now on is no longer ours to tell.
      child.on('error', () => undefined);
      if (child.connected) child.disconnect();
      child.unref();
      resolve(code);
    };
    child.on('message', (report: Report) => {
      if (report.kind === 'said') io.stderr.write(report.text);
      else if (report.kind === 'ended') settle(report.code);
      else {
        io.stdout.write(`${child.pid ?? ''}\n`);
        settle(EXIT.ok);
      }
    });
    child.on('error', (error) => {
      stop();
      reject(
        new CommandError(EXIT.failed, `can't start a process in the background: ${error.message}`, {
          cause: error,
        }),
      );
    });
    child.on('exit', (code) => settle(code ?? EXIT.failed));
    child.send(start);
  });
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
