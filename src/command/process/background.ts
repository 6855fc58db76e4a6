import { fork, type ChildProcess } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { Writable } from 'node:stream';
import { messageOf } from '../../errors.js';
import { EXIT, SIGNALLED } from '../exit.js';
import { printMessage, type Io } from './io.js';

/** Says to the process that it is the one in the background. */
const MARK = 'EXPRESS_WSTUNNEL_BACKGROUND';
/** What the start of the background process may take, in ms. */
const START_DEADLINE = 60_000;
const STDERR = 2;

/** From the background process to the one that started it. */
interface Message {
  /** For stderr. */
  readonly text?: string;
  readonly isReady?: true;
}

/** The process to be started. */
interface BackgroundProcess {
  readonly script: string;
  /** Of its command line, which every user of the machine can read. */
  readonly args: readonly string[];
  /** What it gets as its first message, secrets too. */
  readonly message?: object;
  /** Tells the user that it is ready. */
  readonly announce: (pid: number) => void;
}

/**
 * Runs a script in a process of its own session, and resolves once that process is ready (exit code 0) or has failed (its exit
 * code). What it says until then is written here; after that its stderr is the file that this process's stderr is, or /dev/null: a
 * terminal or pipe that is closed later would end the programs that it starts, and the reader of a pipe would wait for its end.
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
    // After its last message.
    child.on('close', (code) => settle(code ?? EXIT.failed));
    child.on('error', (error) => {
      printMessage(io, `can't start a background process: ${messageOf(error)}`);
      settle(EXIT.failed);
    });
    if (message) child.send(message);
  });
}

/** In the background process: messages go to the process that started it until `onReady` is called. Elsewhere `io` itself. */
export function backgroundIo(io: Io): Io {
  if (process.env[MARK] === undefined || !process.connected) return io;
  // A program that this process starts is none.
  Reflect.deleteProperty(process.env, MARK);
  let isReady = false;
  const send = (message: Message, done: () => void = () => undefined) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => done());
    else done();
  };
  // Nobody learns of this process any more.
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
      isReady = true;
      send({ isReady: true });
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
