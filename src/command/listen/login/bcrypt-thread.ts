import { Worker } from 'node:worker_threads';

/** The thread's program: compares a password with hashes, and answers with the question's id. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const { compareSync } = require(workerData);
parentPort.on('message', ({ id, password, hashes }) => {
  const isRight = hashes.map((hash) => compareSync(password, hash))[0] === true;
  parentPort.postMessage({ id, isRight });
});
`;

/** Time limit of an answer, in ms. A hash of the highest allowed cost needs some seconds on a slow machine. */
const DEADLINE = 30_000;

interface Answer {
  readonly id: number;
  readonly isRight: boolean;
}

type Settle = (isRight: boolean | Error) => void;

/** A running thread and its unanswered questions. */
interface Thread {
  readonly worker: Worker;
  readonly open: Map<number, Settle>;
}

/**
 * Compares passwords in a thread, since a comparison takes up to a second and would block all tunnels. The thread answers one question
 * at a time, so that guesses cost at most one core.
 */
export class BcryptThread {
  readonly #startWorker: () => Worker;
  #thread: Thread | undefined;
  #lastId = 0;

  constructor(startWorker: () => Worker = startBcrypt) {
    this.#startWorker = startWorker;
  }

  /**
   * Does the password match the first hash? All hashes are computed, so that the time does not depend on the user's hash. Rejects
   * if no thread can be started (a limit of the system), if the thread ends, or after the deadline.
   */
  async compare(password: string, hashes: readonly string[]): Promise<boolean> {
    // May throw. The question is not registered yet, so only the current caller fails.
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
    // Without this, a thread that is stuck in a comparison would run on.
    thread.worker.terminate().catch(() => undefined);
  }
}

function startBcrypt(): Worker {
  const bcrypt = require.resolve('bcryptjs');
  return new Worker(PROGRAM, { eval: true, workerData: bcrypt });
}
