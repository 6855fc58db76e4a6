// A Node process of the bench that announces its port, and answers questions over the channel between the processes.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';

/**
 * Starts the program in `path` with its settings as JSON. `name`: for the error of a process that ends at once. `under`: the program and the
 * arguments that start Node, such as `['taskset', '-c', '0']`. `flags`: of Node.
 */
export async function startChild(name, path, settings, { under = [], flags = [] } = {}) {
  const [execPath, ...execArgv] = [...under, process.execPath, ...flags];
  // A process group of its own, whose CPU the load adds up.
  const child = fork(path, [JSON.stringify(settings)], { execPath, execArgv, detached: true });
  const [{ port }] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`${name} ended with ${code}`);
    }),
  ]);
  const waiting = new Map();
  child.on('message', ({ id, answer }) => {
    waiting.get(id)?.(answer);
    waiting.delete(id);
  });
  let count = 0;
  return {
    port,
    pid: child.pid,
    ask: (what, data) =>
      new Promise((resolve) => {
        waiting.set(++count, resolve);
        child.send({ id: count, ask: what, data });
      }),
    async end() {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}
