// The load of vnc.mjs: a VNC server that sends every byte after ClientInit back, and a client that measures round trips.
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { createServer } from 'node:net';

const VERSION = Buffer.from('RFB 003.008\n');
const OK = Buffer.alloc(4);

/** 64 bytes that a client may send in every variant: SetPixelFormat, four FramebufferUpdateRequests, SetEncodings without an encoding. */
const MESSAGES = Buffer.concat([
  Buffer.concat([Buffer.alloc(4), Buffer.from([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0])]),
  ...Array.from({ length: 4 }, () => Buffer.from([3, 1, 0, 0, 0, 0, 4, 0, 3, 0])),
  Buffer.from([2, 0, 0, 0]),
]);

/** Reads from a socket in pieces of a known size. */
function readerOf(socket) {
  let buffered = Buffer.alloc(0);
  let wake = () => undefined;
  socket.on('data', (bytes) => {
    buffered = Buffer.concat([buffered, bytes]);
    wake();
  });
  return async (size) => {
    while (buffered.length < size) await new Promise((resolve) => (wake = resolve));
    const bytes = buffered.subarray(0, size);
    buffered = buffered.subarray(size);
    return bytes;
  };
}

/** The backends: one with VNC authentication, one without, and one without RFB. */
export async function startBackend() {
  const listen = async (serve) => {
    const server = createServer({ noDelay: true }, serve).listen(0, '127.0.0.1');
    server.unref();
    await once(server, 'listening');
    return server.address().port;
  };
  const echo = (socket) => {
    socket.on('error', () => undefined);
    socket.removeAllListeners('data');
    socket.on('data', (bytes) => socket.write(bytes));
  };
  const rfb = (type) => async (socket) => {
    socket.on('error', () => undefined);
    const read = readerOf(socket);
    socket.write(VERSION);
    await read(12);
    socket.write(Buffer.from([1, type]));
    await read(1);
    if (type === 2) {
      socket.write(randomBytes(16));
      // Any answer is right.
      await read(16);
    }
    socket.write(OK);
    await read(1);
    // ServerInit with an empty name.
    socket.write(Buffer.concat([Buffer.from([4, 0, 3, 0]), Buffer.alloc(16), Buffer.alloc(4)]));
    echo(socket);
  };
  const [plain, none, password] = [await listen(echo), await listen(rfb(1)), await listen(rfb(2))];
  return { portFor: (vnc) => (vnc === undefined ? plain : vnc.password === undefined ? none : password) };
}

/** An open tunnel; with `isVnc` after the RFB handshake. */
export async function openClient(port, isVnc) {
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
  };
  const asking = request({ host: '127.0.0.1', port, path: '/tunnel', headers }).end();
  const [answer, socket] = await Promise.race([
    once(asking, 'upgrade'),
    once(asking, 'response').then(([{ statusCode }]) => {
      throw new Error(`the tunnel answered ${statusCode}`);
    }),
  ]);
  if (answer.statusCode !== 101) throw new Error(`the tunnel answered ${answer.statusCode}`);
  socket.setNoDelay(true);
  if (!isVnc) return socket;
  const read = readerOf(socket);
  const payload = async (size) => {
    const bytes = [];
    for (let missing = size; missing > 0;) {
      const [, length] = await read(2);
      if (length > 125) throw new Error('a long frame in the handshake');
      bytes.push(await read(length));
      missing -= length;
    }
    return Buffer.concat(bytes);
  };
  await payload(12);
  socket.write(frameOf(VERSION));
  await payload(2);
  socket.write(frameOf(Buffer.from([1])));
  await payload(4);
  socket.write(frameOf(Buffer.from([1])));
  await payload(24);
  socket.removeAllListeners('data');
  return socket;
}

/** A binary frame of a client, masked with one random key. */
function frameOf(payload) {
  const key = randomBytes(4);
  const masked = Buffer.from(payload.map((byte, at) => byte ^ key[at & 3]));
  return Buffer.concat([Buffer.from([0x82, 0x80 | payload.length]), key, masked]);
}

const FRAME = frameOf(MESSAGES);
const ANSWER = MESSAGES.length + 2;

/** One round trip after another. Throws if other bytes come back. */
export function tripsOf(socket, count) {
  return new Promise((resolve, reject) => {
    let left = count;
    let parts = [];
    let received = 0;
    const finish = (settle) => {
      socket.off('data', onData);
      socket.off('close', onClose);
      settle();
    };
    const onClose = () => finish(() => reject(new Error('the tunnel has ended')));
    const onData = (bytes) => {
      parts.push(bytes);
      received += bytes.length;
      if (received < ANSWER) return;
      const answer = parts.length === 1 ? bytes : Buffer.concat(parts);
      if (received !== ANSWER || answer.compare(MESSAGES, 0, MESSAGES.length, 2) !== 0)
        finish(() => reject(new Error('other bytes came back')));
      else if (--left === 0) finish(resolve);
      else socket.write(FRAME);
      parts = [];
      received = 0;
    };
    socket.on('data', onData);
    socket.on('close', onClose);
    socket.write(FRAME);
  });
}
