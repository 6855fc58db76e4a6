import { Worker } from 'node:worker_threads';

const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const { compareSync } = require(workerData);
parentPort.on('message', ({ password, hash }) => parentPort.postMessage(compareSync(password, hash)));
`;

interface Asked {
  readonly resolve: (isRight: boolean) => void;
  readonly reject: (error: Error) => void;
}

let thread: Worker | undefined;
const asked: Asked[] = [];

/**
 * Does the password belong to the hash? Asked in a thread, one after the other: each takes up to a second, in which no
 * tunnel would move, and who guesses without end has one core at the most.
 */
export function compare(password: string, hash: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    asked.push({ resolve, reject });
    thread ??= startThread();
    thread.postMessage({ password, hash });
  });
}

function startThread(): Worker {
  const bcrypt = require.resolve('bcryptjs');
  const worker = new Worker(PROGRAM, { eval: true, workerData: bcrypt });
  worker.unref();
  worker.on('message', (isRight: boolean) => asked.shift()?.resolve(isRight));
  const end = (error: Error) => {
    if (thread !== worker) return;
    thread = undefined;
    for (const { reject } of asked.splice(0)) reject(error);
  };
  worker.on('error', end);
  worker.on('exit', () => end(new Error('the thread that compares passwords has ended')));
  return worker;
}
