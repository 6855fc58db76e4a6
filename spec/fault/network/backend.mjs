// A TCP server in a namespace: `echo` returns all bytes, `mute` reads nothing.
import console from 'node:console';
import { createServer } from 'node:net';
import process from 'node:process';

const serve = (socket) => {
  socket.on('error', () => undefined);
  socket.on('close', () => console.log('freed'));
  if (process.argv[2] === 'echo') socket.pipe(socket);
};
createServer({ allowHalfOpen: true, pauseOnConnect: process.argv[2] === 'mute' }, serve).listen(5900, () =>
  console.log('listening'),
);
