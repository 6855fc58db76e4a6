import { createHash } from 'node:crypto';
import { Buffer } from 'node:buffer';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';
import { WebSocket } from 'ws';
import { PATIENCE } from './patience.mjs';

/** Bytes of a message, and milliseconds between two messages. */
const SIZE = 1024;
const PERIOD = 100;

/** Milliseconds until a tunnel must be open, and until an echo must be back. */
const DEADLINE = 10_000 * PATIENCE;

/** Message `number` of a tunnel: its bytes differ from those of every other message. */
function message(path, number) {
  const digest = createHash('sha256').update(`${path} ${number}`).digest();
  return Buffer.alloc(SIZE, digest);
}

/** A tunnel to the echo server. The received bytes are compared with the bytes sent. */
export class Tunnel {
  #socket;
  #sent = 0;
  #checked = 0;
  #received = Buffer.alloc(0);
  #ticks;
  isDamaged = false;
  /** Resolves to the close code, and the time by `performance.now()`. 1006: the connection broke without a Close. */
  closed;

  constructor(socket, path) {
    this.#socket = socket;
    this.path = path;
    this.closed = new Promise((resolve) => {
      socket.once('close', (code) => {
        clearInterval(this.#ticks);
        resolve({ code, at: performance.now() });
      });
    });
    socket.on('error', () => undefined);
    socket.on('message', (data) => this.#check(data));
  }

  get isOpen() {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  get bytes() {
    return this.#checked * SIZE;
  }

  send() {
    if (this.isOpen) this.#socket.send(message(this.path, this.#sent++));
  }

  sendForever() {
    this.#ticks = setInterval(() => this.send(), PERIOD);
  }

  /** Waits until all sent bytes have come back. */
  async settle() {
    clearInterval(this.#ticks);
    for (const end = performance.now() + DEADLINE; this.#checked < this.#sent; await sleep(10))
      if (!this.isOpen || performance.now() > end) throw new Error(`${this.path}: bytes are missing`);
  }

  close() {
    clearInterval(this.#ticks);
    this.#socket.close(1000);
    return this.closed;
  }

  #check(data) {
    this.#received = Buffer.concat([this.#received, data]);
    for (; this.#received.length >= SIZE; this.#received = this.#received.subarray(SIZE)) {
      if (!this.#received.subarray(0, SIZE).equals(message(this.path, this.#checked++)))
        this.isDamaged = true;
    }
  }
}

/** A refused request; `status` is the HTTP status of the answer. */
export class Refusal extends Error {
  constructor(status) {
    super(`refused with ${status}`);
    this.status = status;
  }
}

/** Opens a tunnel as a page of `user` does; rejects with a `Refusal`, or with the failure of the connection. */
export function openTunnel({ user, password, ca }, path) {
  const socket = new WebSocket(`wss://desk.example.com/websockify/${path}`, {
    ca,
    auth: `${user}:${password}`,
    perMessageDeflate: false,
  });
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => socket.terminate(), DEADLINE);
    const done = (settle, value) => {
      clearTimeout(deadline);
      settle(value);
    };
    socket.once('error', (error) => done(reject, error));
    socket.once('unexpected-response', (_, response) => {
      response.resume();
      done(reject, new Refusal(response.statusCode));
      socket.terminate();
    });
    const tunnel = new Tunnel(socket, path);
    socket.once('open', () => done(resolve, tunnel));
  });
}
