import { within } from '../../src/helpers/within.js';
import { closeFrame, frame, requestTunnel, type RawClient } from '../support/raw-client.js';
import { sleep } from '../support/wait.js';
import { POD_HEADER } from './fronts.js';

/** Seconds for each answer. */
const DEADLINE = 10;

/** The end of a long tunnel. */
export interface End {
  readonly pod: string;
  /** Undefined if the connection broke without a Close. */
  readonly code: number | undefined;
  /** By `performance.now()`. */
  readonly at: number;
}

/** The clients of a rollout: newcomers at a steady rate, and long tunnels that are opened again after their end. */
export class Load {
  readonly #port: number;
  readonly #path: string;
  readonly #newcomers: Promise<void>[] = [];
  readonly #long: Promise<void>[] = [];
  readonly #clients = new Set<RawClient>();
  readonly failures: string[] = [];
  readonly ends: End[] = [];
  /** Milliseconds from each newcomer's request to its first echoed bytes. */
  readonly latencies: number[] = [];
  /** The pods of the long tunnels that are open. */
  readonly pods = new Map<number, string>();
  #hasNewcomers = true;
  #isOver = false;

  constructor(port: number, path: string) {
    this.#port = port;
    this.#path = path;
  }

  async startLong(count: number): Promise<void> {
    for (let id = 0; id < count; id++) {
      const opened = await this.#open(`long tunnel ${id}`);
      if (opened) this.#long.push(this.#keep(id, opened));
    }
  }

  /** Newcomers until `endNewcomers()`. A late timer makes up for the missed ones, so that the rate holds. */
  async newcomers(perSecond: number): Promise<void> {
    const start = performance.now();
    for (let count = 0; this.#hasNewcomers;) {
      for (; count < ((performance.now() - start) / 1000) * perSecond; count++)
        this.#newcomers.push(this.#visit(count));
      await sleep(1000 / perSecond / 2);
    }
    await Promise.all(this.#newcomers);
  }

  get visits(): number {
    return this.#newcomers.length;
  }

  endNewcomers(): void {
    this.#hasNewcomers = false;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    for (const client of this.#clients) client.socket.destroy();
    await Promise.all(this.#long);
  }

  async #open(name: string): Promise<{ client: RawClient; pod: string } | undefined> {
    const client = requestTunnel(this.#port, this.#path, { Host: 'localhost' });
    this.#clients.add(client);
    client.socket.once('close', () => this.#clients.delete(client));
    try {
      const answer = await inTime(client.answer(), 'answer');
      if (answer.status !== 101) throw new Error(answer.header.trimEnd());
      // nginx names each backend that was asked; the last one answered.
      return { client, pod: answer.headers[POD_HEADER]?.split(', ').at(-1) ?? 'no pod' };
    } catch (error) {
      client.socket.destroy();
      if (!this.#isOver) this.failures.push(`${name}: ${String(error)}`);
      return undefined;
    }
  }

  async #visit(id: number): Promise<void> {
    const name = `newcomer ${id}`;
    const before = performance.now();
    const opened = await this.#open(name);
    if (!opened) return;
    const { client } = opened;
    try {
      client.send(frame(2, 'hello'));
      const echo = await inTime(client.payload(5), 'echo');
      if (echo.toString() !== 'hello') throw new Error(`echo ${JSON.stringify(echo.toString())}`);
      this.latencies.push(performance.now() - before);
      const close = await inTime(client.send(closeFrame(1000)).close(), 'Close');
      if (close?.code !== 1000) throw new Error(`Close ${close?.code}`);
    } catch (error) {
      if (!this.#isOver) this.failures.push(`${name} at ${opened.pod}: ${String(error)}`);
    }
    client.socket.destroy();
  }

  /** Keeps a tunnel in use, and opens a new one at once after the end. */
  async #keep(id: number, first: { client: RawClient; pod: string }): Promise<void> {
    for (let next: typeof first | undefined = first; next;) {
      const { client, pod } = next;
      this.pods.set(id, pod);
      const ticks = setInterval(() => client.send(frame(2, 'tick')), 500);
      const close = await client.close();
      const at = performance.now();
      clearInterval(ticks);
      if (this.#isOver) return;
      this.pods.delete(id);
      this.ends.push({ pod, code: close?.code, at });
      client.send(closeFrame(close?.code)).socket.end();
      next = await this.#open(`long tunnel ${id}, again`);
    }
  }
}

async function inTime<Result>(result: Promise<Result>, name: string): Promise<Result> {
  if (!(await within(DEADLINE, result))) throw new Error(`no ${name} within ${DEADLINE} seconds`);
  return result;
}
