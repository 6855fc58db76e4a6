import { spawn, type ChildProcess } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { Writable } from 'node:stream';
import { messageOf } from '../errors.js';
import { EXIT } from './exit.js';
import { say, type Io } from './io.js';

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

/**
 * Runs the same command line in a process of its own session, and resolves once that process is ready (exit code 0) or has failed
 * (its exit code). What it says until then is written here; after that its stderr is the file that this process's stderr is, or
 * /dev/null: a terminal or pipe that is closed later would end the programs that it starts.
 */
export function runInBackground(args: readonly string[], io: Io): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...args], {
      detached: true,
      env: { ...io.environment, [MARK]: '1' },
      stdio: ['ignore', 'ignore', fstatSync(STDERR).isFile() ? 'inherit' : 'ignore', 'ipc'],
    });
    const settle = (code: number) => {
      clearTimeout(deadline);
      child.removeAllListeners();
      leave(child);
      resolve(code);
    };
    const deadline = setTimeout(() => {
      say(io, `the process in the background was not ready within ${START_DEADLINE / 1000} s`);
      child.kill('SIGKILL');
      settle(EXIT.failed);
    }, START_DEADLINE);
    child.on('message', ({ text, isReady }: Message) => {
      if (text !== undefined) io.stderr.write(text);
      if (isReady !== true) return;
      say(io, `running in the background as process ${String(child.pid)}`);
      settle(EXIT.ok);
    });
    // After its last message.
    child.on('close', (code) => settle(code ?? EXIT.failed));
    child.on('error', (error) => {
      say(io, `no process can be started in the background: ${messageOf(error)}`);
      settle(EXIT.failed);
    });
  });
}

/** In the background process: messages go to the process that started it until `onReady` is called. Elsewhere `io` itself. */
export function backgroundIo(io: Io): Io {
  if (process.env[MARK] === undefined || !process.connected) return io;
  // A program that this process starts is none.
  Reflect.deleteProperty(process.env, MARK);
  let isReady = false;
  const send = (message: Message, done: () => void = () => undefined) => {
    if (process.connected) process.send?.(message, undefined, undefined, done);
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
    onReady: () => {
      isReady = true;
      send({ isReady: true });
    },
  };
}

function leave(child: ChildProcess): void {
  if (child.connected) child.disconnect();
  child.on('error', () => undefined).unref();
}
