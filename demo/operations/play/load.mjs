import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTunnel } from './tunnel.mjs';

/** Milliseconds until a client tries again to reopen its tunnel. */
const RETRY = 200;

/** The clients of the day: some keep a tunnel open and reopen it after an end; newcomers arrive at a steady rate. */
export class Load {
  #logins;
  #isOver = false;
  #newcomersPause = false;
  #newcomers;
  #visits = new Set();
  #keepers = [];
  /** The open long tunnels by the number of the client. */
  open = new Map();
  /** Unwanted ends of long tunnels: `{ path, code, at }`. */
  ends = [];
  /** Each reopened long tunnel: milliseconds after its end, failed attempts. */
  returns = [];
  visits = 0;
  failures = [];
  bytes = 0;
  damaged = 0;

  /** `logins`: the clients share these, so that no user reaches a limit. */
  constructor(logins) {
    this.#logins = logins;
  }

  #login(client) {
    return this.#logins[client % this.#logins.length];
  }

  async start(count, newcomersPerSecond) {
    for (let client = 0; client < count; client++) {
      const tunnel = await openTunnel(this.#login(client), `long-${client}-0`);
      this.#keepers.push(this.#keep(client, tunnel));
    }
    this.#newcomers = this.#arrive(newcomersPerSecond);
  }

  pauseNewcomers(isPaused) {
    this.#newcomersPause = isPaused;
    return Promise.all(this.#visits);
  }

  /** Ends the day: every byte of the open tunnels must come back. */
  async stop() {
    this.#isOver = true;
    await this.#newcomers;
    for (const tunnel of this.open.values()) {
      await tunnel.settle();
      await tunnel.close();
    }
    await Promise.all(this.#keepers);
  }

  async #arrive(perSecond) {
    while (!this.#isOver) {
      if (!this.#newcomersPause) {
        const visit = this.#visit(this.visits++).finally(() => this.#visits.delete(visit));
        this.#visits.add(visit);
      }
      await sleep(1000 / perSecond);
    }
    await Promise.all(this.#visits);
  }

  async #visit(number) {
    const path = `new-${number}`;
    try {
      const tunnel = await openTunnel(this.#login(number), path);
      tunnel.send();
      await tunnel.settle();
      const { code } = await tunnel.close();
      this.#count(tunnel);
      if (code !== 1000) throw new Error(`Close ${code}`);
    } catch (error) {
      this.failures.push(`${path}: ${error.message}`);
    }
  }

  async #keep(client, first) {
    for (let tunnel = first, number = 1; ; number++) {
      this.open.set(client, tunnel);
      tunnel.sendForever();
      const end = await tunnel.closed;
      this.open.delete(client);
      this.#count(tunnel);
      if (this.#isOver) return;
      this.ends.push({ path: tunnel.path, ...end });
      tunnel = await this.#openAgain(client, number, end.at);
      if (!tunnel) return;
    }
  }

  async #openAgain(client, number, since) {
    const path = `long-${client}-${number}`;
    for (let failed = 0; !this.#isOver; failed++) {
      try {
        const tunnel = await openTunnel(this.#login(client), path);
        this.returns.push({ path, ms: performance.now() - since, failed });
        return tunnel;
      } catch {
        await sleep(RETRY);
      }
    }
    return undefined;
  }

  #count(tunnel) {
    this.bytes += tunnel.bytes;
    if (tunnel.isDamaged) this.damaged += 1;
  }
}
