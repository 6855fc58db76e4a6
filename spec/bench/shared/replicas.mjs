// Starts replicas, asks them, and opens tunnels at them.
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath, URL } from 'node:url';
import { startChild } from '../child.mjs';

/** `core`: the only core that the process may use. */
export async function startReplica(settings, core) {
  const path = fileURLToPath(new URL('replica.mjs', import.meta.url));
  const under = core === undefined ? [] : ['taskset', '-c', String(core)];
  const { port, pid, ask, end } = await startChild('a replica', path, settings, { under });
  return {
    port,
    pid,
    ask,
    async stop() {
      await ask('close');
      await end();
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
