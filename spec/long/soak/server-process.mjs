// The parent's view of the process of server.mjs.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { clearTimeout, setTimeout } from 'node:timers';
import { fileURLToPath } from 'node:url';

/** Milliseconds for an answer, and for the process to end by itself after its last server is closed. */
const PATIENCE = 60_000;

export async function startServer(settings) {
  const path = join(dirname(fileURLToPath(import.meta.url)), 'server.mjs');
  const child = fork(path, [JSON.stringify(settings)], { execArgv: ['--expose-gc', '--no-warnings'] });
  const exited = once(child, 'exit');
  const [{ http1, http2 }] = await Promise.race([
    once(child, 'message'),
    exited.then(([code]) => {
      throw new Error(`the server ended with ${code}`);
    }),
  ]);
  const answers = new Map();
  const closes = new Map();
  child.on('message', ({ id, answer, closed }) => {
    if (closed) {
      const waiting = closes.get(closed.session);
      if (typeof waiting === 'function') waiting(closed);
      else closes.set(closed.session, closed);
    } else {
      answers.get(id)?.(answer);
      answers.delete(id);
    }
  });
  let count = 0;
  const within = (promise, what) => {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no ${what} within ${PATIENCE} ms`)), PATIENCE);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  };
  return {
    http1,
    http2,
    ask(what, data) {
      const id = ++count;
      const answered = new Promise((resolve) => answers.set(id, resolve));
      if (child.connected) child.send({ id, ask: what, data });
      return within(answered, `answer to ${what}`);
    },
    /** The event `close` of a session's tunnel; it may have been emitted already. */
    async closeOf(session) {
      const known = closes.get(session);
      const info =
        known ??
        (await within(new Promise((resolve) => closes.set(session, resolve)), `close event of ${session}`));
      closes.delete(session);
      return info;
    },
    cpu() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    /** A process without a handle ends by itself. */
    async end() {
      if (child.connected) child.disconnect();
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
      const [code, signal] = await exited;
      clearTimeout(timer);
      return signal ?? code;
    },
    pid: child.pid,
    isParentOf: process.pid,
  };
}
