import { fork, type ChildProcess } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { Writable } from 'node:stream';
import { messageOf } from '../../errors.js';
import { EXIT, SIGNALLED } from '../exit.js';
import { printMessage, type Io } from './io.js';

/** The environment variable that marks the background process. */
const MARK = 'EXPRESS_WSTUNNEL_BACKGROUND';
/** Time limit for the start of the background process, in ms. */
const START_DEADLINE = 60_000;
const STDERR = 2;

/** A message from the background process to its parent. */
interface Message {
  /** Text for the parent's stderr. */
  readonly text?: string;
  readonly isReady?: true;
}

/** How to start a background process. */
interface BackgroundProcess {
  readonly script: string;
  /** The process's command line, which every user of the machine can read. */
  readonly args: readonly string[];
  /** The first message to the process, which may contain secrets. */
  readonly message?: object;
  /** Called once the process is ready. */
  readonly announce: (pid: number) => void;
}

/**
 * Runs a script in a new session. Resolves to 0 once the process is ready, or to the exit code of a failed start. During the start,
 * the process's messages are written to our stderr. Afterwards the process writes to our stderr if our stderr is a file, else to
 * /dev/null: a terminal or pipe that closes later would end the programs that the process spawns, and the reader of a pipe would
 * never see the end of the pipe.
 */
export function runInBackground(
  io: Io,
  { script, args, message, announce }: BackgroundProcess,
): Promise<number> {
  return new Promise((resolve) => {
    const child = fork(script, args, {
      detached: true,
      serialization: 'advanced',
      env: { ...io.environment, [MARK]: '1' },
      stdio: ['ignore', 'ignore', isFile(STDERR) ? 'inherit' : 'ignore', 'ipc'],
    });
    const settle = (code: number) => {
      clearTimeout(deadline);
      stop();
      child.removeAllListeners();
      leave(child);
      resolve(code);
    };
    const deadline = setTimeout(() => {
      printMessage(io, `the background process was not ready within ${START_DEADLINE / 1000} s`);
      child.kill('SIGKILL');
      settle(EXIT.failed);
    }, START_DEADLINE);
    const stop = io.onSignal(['SIGTERM', 'SIGINT', 'SIGHUP'], (signal) => {
      child.kill('SIGTERM');
      settle(SIGNALLED[signal]);
    });
    child.on('message', ({ text, isReady }: Message) => {
      if (text !== undefined) io.stderr.write(text);
      if (isReady !== true) return;
      announce(child.pid ?? 0);
      settle(EXIT.ok);
    });
    // `close` comes after the last message; `exit` may come before it.
    child.on('close', (code) => settle(code ?? EXIT.failed));
    child.on('error', (error) => {
      printMessage(io, `can't start a background process: ${messageOf(error)}`);
      settle(EXIT.failed);
    });
    if (message) child.send(message);
  });
}

/** In the background process: an `Io` that sends messages to the parent until `onReady` is called. Elsewhere: `io` itself. */
export function backgroundIo(io: Io): Io {
  if (process.env[MARK] === undefined || !process.connected) return io;
  // Programs that this process spawns must not inherit the mark.
  Reflect.deleteProperty(process.env, MARK);
  let isReady = false;
  const send = (message: Message, done: () => void = () => undefined) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => done());
    else done();
  };
  // The parent ended before the start was complete, and can no longer report this process to the user.
  process.once('disconnect', () => {
    if (!isReady) process.exit(EXIT.failed);
  });
  const stderr = new Writable({
    decodeStrings: false,
    write: (chunk: Buffer | string, _encoding, done) => {
      if (isReady) process.stderr.write(chunk, () => done());
      else send({ text: chunk.toString() }, done);
    },
  });
  return {
    ...io,
    stderr,
    outlivesTerminal: () => true,
    onReady: () => {
      // After the queued lines, since the parent prints no line that arrives after this message.
      stderr.write('', () => {
        isReady = true;
        send({ isReady: true });
      });
    },
  };
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

function leave(child: ChildProcess): void {
  child.on('error', () => undefined);
  if (child.connected) child.disconnect();
  child.unref();
}
