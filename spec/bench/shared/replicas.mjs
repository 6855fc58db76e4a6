// Starts replicas, asks them, and opens tunnels at them.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import process from 'node:process';
import { fileURLToPath, URL } from 'node:url';

/** `core`: the only core that the process may use. */
export async function startReplica(settings, core) {
  const path = fileURLToPath(new URL('replica.mjs', import.meta.url));
  const pinned =
    core === undefined ? {} : { execPath: 'taskset', execArgv: ['-c', String(core), process.execPath] };
  // A process group of its own, whose CPU the load can add up.
  const child = fork(path, [JSON.stringify(settings)], { ...pinned, detached: true });
  const [{ port }] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`a replica ended with ${code}`);
    }),
  ]);
  const waiting = new Map();
  child.on('message', ({ id, answer }) => {
    waiting.get(id)?.(answer);
    waiting.delete(id);
  });
  let count = 0;
  const ask = (what, data) =>
    new Promise((resolve) => {
      waiting.set(++count, resolve);
      child.send({ id: count, ask: what, data });
    });
  return {
    port,
    pid: child.pid,
    ask,
    async stop() {
      await ask('close');
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}

/** The opening request of a tunnel. */
export function requestOf(port, user, address) {
  const lines = [
    'GET /tunnel HTTP/1.1',
    `Host: localhost:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
  ];
  lines.push('Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==');
  if (user) lines.push(`X-User: ${user}`);
  if (address) lines.push(`X-Address: ${address}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Opens tunnels, 32 at a time, each for a user and an address of its own. Returns the function that closes them. */
export async function openTunnels({ port }, count, userOf = (number) => `user-${number}`) {
  const sockets = [];
  const open = async (number) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    sockets.push(socket);
    socket.write(
      requestOf(port, userOf(number), `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`),
    );
    const [answer] = await once(socket, 'data');
    if (!answer.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(answer.toString('latin1'));
    // The next bytes are a Close.
    socket.on('data', () => socket.destroy());
  };
  for (let from = 0; from < count; from += 32)
    await Promise.all(Array.from({ length: Math.min(32, count - from) }, (_, at) => open(from + at)));
  return () => sockets.forEach((socket) => socket.destroy());
}

export const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];

export const quantile = (all, share) =>
  [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * share))];
