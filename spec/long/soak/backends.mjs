// The backends of the soak, in the process of the clients, so that each session knows both ends.
import { Buffer } from 'node:buffer';
import { createServer } from 'node:net';
import { WebSocketServer } from 'ws';

/** Bytes of a client's request: mode, 3 unused bytes, session. */
export const WISH = 8;
const SERVER_INIT = Buffer.from('000800082018000100ff00ff00ff100800000000', 'hex');
/** Bytes of a scripted answer to a FramebufferUpdateRequest. */
export const UPDATE = 600;

const listen = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

/** `sessions`: by number, each with `down` (bytes to send) and `backendGot` (bytes received). `faults`: texts. */
export async function startBackends(sessions, faults) {
  const bytes = createServer({ allowHalfOpen: true }, (socket) => serveBytes(socket, sessions, faults));
  const vnc = createServer((socket) => serveVnc(socket, faults));
  const websocket = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  websocket.on('connection', (peer) => {
    peer.on('error', () => undefined);
    peer.on('message', (data, isBinary) => peer.send(data, { binary: isBinary }));
  });
  const ports = { bytes: await listen(bytes), vnc: await listen(vnc), websocket: websocket.address().port };
  return {
    ports,
    close() {
      for (const server of [bytes, vnc, websocket]) server.close();
    },
  };
}

function serveBytes(socket, sessions, faults) {
  let wish = Buffer.alloc(0);
  let session;
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    if (!session) {
      wish = Buffer.concat([wish, chunk]);
      if (wish.length < WISH) return;
      session = sessions.get(wish.readUInt32BE(4));
      if (!session) {
        faults.push(`backend: no session ${wish.readUInt32BE(4)}`);
        return socket.destroy();
      }
      chunk = wish;
      session.backend = socket;
      begin(socket, session, String.fromCharCode(wish[0]));
    }
    session.backendGot.push(chunk);
    session.backendLength = (session.backendLength ?? 0) + chunk.length;
    if (session.mode === 'e' && !socket.write(chunk)) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  });
  socket.on('end', () => {
    if (session) session.backendEnded = true;
    socket.end();
  });
}

/** e: echo. s: only receive. d: send all, then end. r: send all, then reset. k: send all, and stay open. */
function begin(socket, session, mode) {
  session.mode = mode;
  if (mode === 'd') socket.end(session.down);
  else if (mode === 'k') socket.write(session.down);
  else if (mode === 'r') socket.write(session.down, () => socket.resetAndDestroy());
}

/** A VNC server without a login, whose desktop name is the key of the bytes that it sends. Only messages that a viewer may send may arrive. */
function serveVnc(socket, faults) {
  const steps = [12, 1, 1];
  const answers = [Buffer.from([1, 1]), Buffer.alloc(4)];
  const name = Buffer.alloc(4);
  name.writeUInt32BE(Math.floor(Math.random() * 2 ** 32));
  answers.push(Buffer.concat([SERVER_INIT, Buffer.from([0, 0, 0, 4]), name]));
  let input = Buffer.alloc(0);
  let step = 0;
  socket.on('error', () => undefined);
  socket.write('RFB 003.008\n');
  socket.on('data', (chunk) => {
    input = Buffer.concat([input, chunk]);
    while (step < 3 && input.length >= steps[step]) {
      input = input.subarray(steps[step]);
      socket.write(answers[step++]);
    }
    while (step === 3 && input.length > 0) {
      if (input[0] !== 3) {
        faults.push(`vnc: a message of type ${input[0]} passed the filter`);
        return socket.destroy();
      }
      if (input.length < 10) return;
      input = input.subarray(10);
      socket.write(Buffer.alloc(UPDATE, name));
    }
  });
}
