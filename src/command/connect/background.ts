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
 * connect. Its process number goes to standard output. Where it can't listen, its message is printed here, and its exit code is ours.
 *
 * The plan is sent, not read again: one of its files may be a pipe of the shell's, and its secrets must not be on a command line. `args`
 * are for `ps` alone.
 */
export function runInBackground(io: Io, start: Start, args: readonly string[]): Promise<number> {
  const child = fork(join(__dirname, 'background-child.js'), args, {
    detached: true,
    serialization: 'advanced',
    // A pipe that it kept open would never end for its reader. Only a file gets the messages.
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
      // From here on nothing about the process is reported.
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
