// A WebSocket client of bytes over any Duplex: a socket (HTTP/1.1), or a stream of HTTP/2 (RFC 8441). No queue of its own: reads stop on demand.
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { clearTimeout, setTimeout } from 'node:timers';

/** Milliseconds for one wait: far longer than any step of a tunnel takes. */
const PATIENCE = 60_000;

export class Refused extends Error {
  constructor(status) {
    super(`refused with ${status}`);
    this.status = status;
  }
}

/** A frame of a client. `length`: a length that differs from the payload's. */
export function frame(opcode, payload = Buffer.alloc(0), { rsv = 0, length = payload.length } = {}) {
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(head + 4 + payload.length);
  bytes[0] = 0x80 | (rsv << 4) | opcode;
  bytes[1] = 0x80 | (head === 2 ? length : head === 4 ? 126 : 127);
  if (head === 4) bytes.writeUInt16BE(length, 2);
  if (head === 10) bytes.writeBigUInt64BE(BigInt(length), 2);
  const mask = randomBytes(4);
  mask.copy(bytes, head);
  for (let i = 0; i < payload.length; i++) bytes[head + 4 + i] = payload[i] ^ mask[i & 3];
  return bytes;
}

/** Wraps an open tunnel: collects payload, answers PING, and keeps the code of the Close. */
export class Wire {
  payload = [];
  length = 0;
  /** Of the server's Close; undefined if the connection ended without one. */
  code;
  isEnded = false;
  #hasClosed = false;
  #input = Buffer.alloc(0);
  #waiting = new Set();

  constructor(stream) {
    this.stream = stream;
    stream.on('error', () => undefined);
    stream.on('data', (chunk) => this.#take(chunk));
    for (const event of ['end', 'close', 'aborted']) stream.on(event, () => this.#end());
    stream.resume();
  }

  send(bytes) {
    if (this.stream.writable) this.stream.write(bytes);
  }

  sendClose(code) {
    this.#hasClosed = true;
    this.send(frame(8, Buffer.from([code >> 8, code & 255])));
  }

  /** Resolves when `isMet()` or the connection has ended. */
  until(isMet, what) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => done(reject, new Error(`not within ${PATIENCE} ms: ${what}`)), PATIENCE);
      const done = (settle, value) => {
        clearTimeout(late);
        this.#waiting.delete(check);
        settle(value);
      };
      const check = () => (isMet() || this.isEnded) && done(resolve);
      this.#waiting.add(check);
      check();
    });
  }

  async closed() {
    await this.until(() => this.code !== undefined, 'a Close');
    return this.code;
  }

  bytes() {
    return Buffer.concat(this.payload);
  }

  reset() {
    if (this.stream.resetAndDestroy) this.stream.resetAndDestroy();
    else this.stream.close(8);
  }

  #end() {
    this.isEnded = true;
    this.#wake();
  }

  #wake() {
    for (const check of [...this.#waiting]) check();
  }

  #take(chunk) {
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    for (;;) {
      const input = this.#input;
      if (input.length < 2) break;
      const short = input[1] & 127;
      const head = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (input.length < head) break;
      const length =
        short === 126 ? input.readUInt16BE(2) : short === 127 ? Number(input.readBigUInt64BE(2)) : short;
      if (input.length < head + length) break;
      this.#frame(input[0] & 15, input.subarray(head, head + length));
      this.#input = input.subarray(head + length);
    }
    this.#wake();
  }

  #frame(opcode, payload) {
    if (this.code !== undefined) this.fault = 'a frame came after the Close';
    else if (opcode <= 2) {
      this.payload.push(payload);
      this.length += payload.length;
    } else if (opcode === 8) {
      this.code = payload.length < 2 ? 1005 : payload.readUInt16BE();
      if (!this.#hasClosed) this.sendClose(this.code);
    } else if (opcode === 9) this.send(frame(10, payload));
  }
}

/** Opens a tunnel over HTTP/1.1. Rejects with {@link Refused} for any answer but 101. */
export function openHttp1(port, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const late = setTimeout(() => fail(new Error(`no answer to ${path}`)), PATIENCE);
    let head = Buffer.alloc(0);
    const fail = (error) => {
      clearTimeout(late);
      socket.destroy();
      reject(error);
    };
    const onEnd = () => fail(new Error('ended without an answer'));
    const onData = (chunk) => {
      head = Buffer.concat([head, chunk]);
      const at = head.indexOf('\r\n\r\n');
      if (at < 0) return;
      const status = Number(head.toString('latin1', 9, 12));
      if (status !== 101) return fail(new Refused(status));
      clearTimeout(late);
      socket.off('error', fail).off('end', onEnd).off('close', onEnd).off('data', onData).pause();
      const rest = head.subarray(at + 4);
      if (rest.length > 0) socket.unshift(rest);
      resolve(new Wire(socket));
    };
    socket.on('error', fail).on('end', onEnd).on('close', onEnd).on('data', onData);
    const key = randomBytes(16).toString('base64');
    const lines = Object.entries({
      Host: '127.0.0.1',
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': key,
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  });
}

/** Opens a tunnel as a stream of an HTTP/2 connection. */
export function openHttp2(session, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const lower = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':path': path,
      ':authority': '127.0.0.1',
      'sec-websocket-version': '13',
      ...lower,
    });
    const late = setTimeout(() => {
      stream.close(8);
      reject(new Error(`no answer to ${path}`));
    }, PATIENCE);
    const fail = () => {
      clearTimeout(late);
      reject(new Error(`ended without an answer (${stream.rstCode})`));
    };
    stream.on('error', () => undefined).once('close', fail);
    stream.once('response', (answer) => {
      clearTimeout(late);
      stream.off('close', fail);
      if (answer[':status'] === 200) return resolve(new Wire(stream));
      stream.resume();
      stream.once('end', () => stream.close());
      reject(new Refused(answer[':status']));
    });
  });
}
