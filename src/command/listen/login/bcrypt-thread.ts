import { Worker } from 'node:worker_threads';

/** The answer says which question it is for. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const { compareSync } = require(workerData);
parentPort.on('message', ({ id, password, hashes }) => {
  const isRight = hashes.map((hash) => compareSync(password, hash))[0] === true;
  parentPort.postMessage({ id, isRight });
});
`;

/** In milliseconds. The highest cost that a file may have takes some seconds on a slow machine. */
const DEADLINE = 30_000;

interface Answer {
  readonly id: number;
  readonly isRight: boolean;
}

type Settle = (isRight: boolean | Error) => void;

/** A running thread, and the questions that it has not answered. */
interface Thread {
  readonly worker: Worker;
  readonly open: Map<number, Settle>;
}

/**
 * Compares passwords in a thread: each takes up to a second, in which no tunnel would move. The thread works on one question
 * after the other, so that guesses cost one core at the most.
 */
export class BcryptThread {
  readonly #startWorker: () => Worker;
  #thread: Thread | undefined;
  #lastId = 0;

  constructor(startWorker: () => Worker = startBcrypt) {
    this.#startWorker = startWorker;
  }

  /**
   * Does the password belong to the first hash? All hashes are computed, so that the time tells nothing about the first.
   * Rejects where no thread can be started (a limit of the system), where it ends, or after the deadline.
   */
  async compare(password: string, hashes: readonly string[]): Promise<boolean> {
    // Throws before the question is noted anywhere: the failure is this caller's alone.
    const thread = (this.#thread ??= this.#start());
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const settle = (isRight: boolean | Error) => {
        clearTimeout(timer);
        thread.open.delete(id);
        if (isRight instanceof Error) reject(isRight);
        else resolve(isRight);
      };
      const onLate = () => this.#end(thread, new Error('the thread that compares passwords does not answer'));
      const timer = setTimeout(onLate, DEADLINE).unref();
      thread.open.set(id, settle);
      thread.worker.postMessage({ id, password, hashes });
    });
  }

  #start(): Thread {
    const worker = this.#startWorker();
    const thread: Thread = { worker, open: new Map() };
    worker.unref();
    worker.on('message', ({ id, isRight }: Answer) => thread.open.get(id)?.(isRight));
    worker.on('error', (error: Error) => this.#end(thread, error));
    worker.on('exit', () => this.#end(thread, new Error('the thread that compares passwords has ended')));
    return thread;
  }

  #end(thread: Thread, error: Error): void {
    if (this.#thread === thread) this.#thread = undefined;
    for (const settle of [...thread.open.values()]) settle(error);
    // One that is stuck in a comparison would go on.
    thread.worker.terminate().catch(() => undefined);
  }
}

function startBcrypt(): Worker {
  const bcrypt = require.resolve('bcryptjs');
  return new Worker(PROGRAM, { eval: true, workerData: bcrypt });
}
