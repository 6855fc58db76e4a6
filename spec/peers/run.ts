import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import express from 'express';
import { expect, test } from 'vitest';
import type { Host, TunnelOptions } from '../../src/index.js';
import type { Difference } from './differences.js';
import { onCleanup } from '../support/cleanup.js';
import {
  besideLighttpd,
  ByVersion,
  isLighttpdSince,
  LIGHTTPD_VERSION,
  since,
} from '../support/lighttpd-version.js';
import { isTaken, startLighttpd } from '../support/lighttpd.js';
import { describeWith, Program } from '../support/programs.js';
import { closeFrame, handshake, openRaw, RawClient, type RawFrame } from '../support/raw-client.js';
import { closedPort, makeTunnel, startHttp } from '../support/servers.js';
import { until } from '../support/wait.js';

/** A header given as undefined is left out, a list is sent several times. */
export type Headers = Record<string, string | string[] | undefined>;

/** How a backend handles connections. `dead`: no listener; `stuck`: connections are never accepted. */
export type Serve = ((socket: Socket, name: string) => unknown) | 'dead' | 'stuck';

/** Sends its name and nothing else; `Side.who` reads the name. */
export const named = (socket: Socket, name: string): unknown => socket.write(name);
export const echo = (socket: Socket): unknown => socket.pipe(socket);
export const silent = (): unknown => undefined;
export const dead = 'dead';
export const stuck = 'stuck';

/** Where the backends of a case are, for both configurations. */
export interface Place {
  readonly host: Host;
  /** lighttpd's form, labelled with its name, with further options in lighttpd's words: `connect-timeout`. */
  conf(options?: Record<string, number | string>): string;
}
export type Places = Readonly<Record<string, Place>>;

/** One row of the table. Both are asked the same, and what was seen must be equal, or as `differs` says. */
export interface Case {
  readonly name: string;
  /** Default: one echo, `a`. */
  readonly backends?: Readonly<Record<string, Serve>>;
  /** On unix sockets in place of ports, or each on an address of its own: 127.0.0.11, 127.0.0.12 ... */
  readonly listen?: 'sockets' | 'addresses';
  /** Only beside a lighttpd before this version. */
  readonly before?: string;
  /** Lines of lighttpd.conf. Default: all requests to `a`, in binary frames. */
  readonly conf?: (at: Places) => string;
  /** The same as options of our tunnel. No other option is set. */
  readonly options?: (at: Places) => TunnelOptions;
  readonly observe: (side: Side) => Promise<unknown>;
  /** The subject of a row of the README's table, and what is seen of each; of lighttpd a {@link ByVersion}, where that matters. */
  readonly differs?: {
    readonly subject: Difference;
    readonly lighttpd: unknown;
    readonly ours: unknown;
  };
}

/** The hosts in lighttpd's form: `("a" => ("host" => ...), "b" => (...))`. */
export const hosts = (...places: string[]) => `(${places.join(', ')})`;
export const toAll = (...places: string[]) => `wstunnel.server = ("" => ${hosts(...places)})`;
export const BINARY = 'wstunnel.frame-type = "binary"';

/** One connection as the backend saw it. */
export class Conversation {
  readonly socket: Socket;
  #chunks: Buffer[] = [];
  #how: 'end' | 'reset' | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.#chunks.push(Buffer.from(chunk)));
    socket.on('end', () => (this.#how ??= 'end'));
    socket.on('error', () => (this.#how ??= 'reset'));
    socket.on('close', () => (this.#how ??= 'reset'));
  }

  get data(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.data.toString('latin1');
  }

  /** How the other side ended the connection. */
  async left(): Promise<'end' | 'reset' | undefined> {
    await until(() => this.#how !== undefined);
    return this.#how;
  }

  async has(length: number): Promise<string> {
    await until(() => this.data.length >= length || this.#how !== undefined);
    return this.text;
  }
}

type Address = { readonly socket: string } | { readonly host: string; readonly port: number };

/** A backend of one side, which can be stopped and started again on its port. */
export class PeerBackend {
  readonly conversations: Conversation[] = [];
  readonly name: string;
  readonly #serve: (socket: Socket, name: string) => unknown;
  readonly #where: Address;
  #server: Server | undefined;

  constructor(name: string, serve: Serve, where: Address) {
    this.name = name;
    this.#serve = typeof serve === 'function' ? serve : named;
    this.#where = where;
  }

  async start(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.setNoDelay(true);
      this.conversations.push(new Conversation(socket));
      this.#serve(socket, this.name);
    });
    const where = this.#where;
    server.listen('socket' in where ? { path: where.socket } : where);
    await once(server, 'listening');
    this.#server = server;
    onCleanup(() => this.stop());
  }

  /** Stops listening and closes all connections. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const { socket } of this.conversations) socket.destroy();
    if (!server?.listening) return;
    server.close();
    await once(server, 'close');
  }

  /** The connection of that number, the first being 0. */
  async conversation(index = 0): Promise<Conversation> {
    await until(() => this.conversations.length > index);
    return this.conversations[index]!;
  }
}

/** lighttpd or our tunnel, as a case sees it. */
export class Side {
  readonly is: 'lighttpd' | 'ours';
  readonly port: number;
  readonly #backends: ReadonlyMap<string, PeerBackend>;
  readonly #held: { name: string; client: RawClient; conversation: Conversation }[] = [];
  /** Tunnels per host, by the side's count; lighttpd's is in its statistics. */
  readonly loads: () => Promise<number[]>;
  readonly log: () => Promise<string>;

  constructor(
    { is, port }: Pick<Side, 'is' | 'port'>,
    backends: ReadonlyMap<string, PeerBackend>,
    { loads, log }: Pick<Side, 'loads' | 'log'>,
  ) {
    this.is = is;
    this.port = port;
    this.#backends = backends;
    this.loads = loads;
    this.log = log;
  }

  /** Number of tunnels, by the side's count. */
  async load(): Promise<number> {
    return (await this.loads()).reduce((sum, load) => sum + load, 0);
  }

  backend(name = 'a'): PeerBackend {
    return this.#backends.get(name)!;
  }

  open(path = '/', headers: Headers = {}): Promise<RawClient> {
    return openRaw(this.port, path, headers);
  }

  /** A client that has sent these bytes. */
  raw(...bytes: (Uint8Array | string)[]): RawClient {
    return new RawClient(this.port).send(...bytes);
  }

  /** Whether the side starts with this configuration. */
  async starts({ conf, options }: Pick<Case, 'conf' | 'options'>): Promise<boolean> {
    const a: Place = { host: { port: 1 }, conf: () => '"a" => ("host" => "127.0.0.1", "port" => 1)' };
    if (this.is === 'lighttpd') return isTaken(conf!({ a }));
    try {
      makeTunnel(options!({ a }));
      return true;
    } catch {
      return false;
    }
  }

  /** Number of log lines which say that no host is up. */
  async outages(): Promise<number> {
    return (await this.log()).split(/are down|is down/).length - 1;
  }

  /** The status that bytes are answered with. */
  async status(bytes: string, from?: string): Promise<number | string> {
    const client = this.#dial(from).send(bytes);
    try {
      return (await client.answer()).status;
    } catch {
      return 'no answer';
    } finally {
      client.socket.destroy();
    }
  }

  /** Which backend is reached (it must be `named`), or the status of the refusal. The tunnel is left again. */
  async who(path = '/', headers: Headers = {}, from?: string) {
    const reached = await this.hold(path, headers, from);
    if (typeof reached === 'string') await this.release(reached);
    return reached;
  }

  /** The same, and the tunnel stays open until `release`. */
  async hold(path = '/', headers: Headers = {}, from?: string): Promise<string | number> {
    const client = this.#dial(from).send(handshake(path, headers));
    const { status } = await client.answer();
    if (status !== 101) {
      client.socket.destroy();
      return status;
    }
    const name = (await client.payload(1)).toString();
    this.#held.push({ name, client, conversation: this.backend(name).conversations.at(-1)! });
    return name;
  }

  /** Closes the newest tunnel to that backend, and waits until it is no longer counted. */
  async release(name: string): Promise<void> {
    const index = this.#held.findLastIndex((one) => one.name === name);
    const { client, conversation } = this.#held.splice(index, 1)[0]!;
    const before = await this.load();
    client.send(closeFrame(1000)).socket.end();
    await conversation.left();
    conversation.socket.end();
    await client.closed();
    await until(async () => (await this.load()) < before);
  }

  #dial(from?: string): RawClient {
    if (from === undefined) return new RawClient(this.port);
    return new RawClient(
      connect({ port: this.port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true }),
    );
  }

  /** The code of the next Close; undefined without one. */
  async close(client: RawClient): Promise<number | undefined> {
    for (let next = await client.frame(); next; next = await client.frame())
      if (next.opcode === 8) return this.codeOf(next.payload);
    return undefined;
  }

  /**
   * What a Close says. lighttpd 1.4.69 writes its codes as digits, which is a case of its own: elsewhere they count as what
   * they mean.
   */
  codeOf(payload: Buffer): number {
    if (this.is === 'lighttpd' && /^\d{4}$/.test(payload.toString('latin1'))) return Number(payload);
    return payload.length < 2 ? 1005 : payload.readUInt16BE();
  }
}

/** A frame in a form that can be compared. */
export function seen(frame: RawFrame | undefined): string {
  if (!frame) return 'end';
  const names: Record<number, string> = { 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' };
  return `${names[frame.opcode] ?? frame.opcode}${frame.final ? '' : '...'} ${frame.payload.toString('latin1')}`;
}

/**
 * For clients that end without a Close: one in twenty that lighttpd 1.4.69 does not see, as long as it may be silent. Everything
 * to `a`, in binary frames.
 */
export const seesEnds: Pick<Case, 'conf'> = {
  conf: (at) => `${defaultConf(at)}\nserver.max-read-idle = 1`,
};

const defaultConf = ({ a }: Places) => `${toAll(a!.conf())}\n${BINARY}`;
const defaultOptions = ({ a }: Places): TunnelOptions => ({ server: a!.host });

async function startBackends({ backends = { a: echo }, listen }: Case) {
  const started = new Map<string, PeerBackend>();
  const places: Record<string, Place> = {};
  for (const [index, [name, serve]] of Object.entries(backends).entries()) {
    const host = listen === 'addresses' ? `127.0.0.${11 + index}` : '127.0.0.1';
    const where: Address =
      listen === 'sockets'
        ? { socket: join(await temporary(), name) }
        : { host, port: serve === 'stuck' ? await stuckPort() : await freePort() };
    const backend = new PeerBackend(name, serve, where);
    if (typeof serve === 'function') await backend.start();
    started.set(name, backend);
    places[name] = {
      host: where,
      conf: (options = {}) => {
        const entries = Object.entries({ ...where, ...options });
        return `"${name}" => (${entries.map(([key, value]) => `"${key}" => ${JSON.stringify(value)}`).join(', ')})`;
      },
    };
  }
  return { started, places };
}

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-peers-'));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Each side has its backends, since both sides run at the same time. */
const given = new Set<number>();
async function freePort(): Promise<number> {
  for (;;) {
    const port = await closedPort();
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}

/** A port with a full queue that is never accepted from: a connection neither opens nor fails. */
async function stuckPort(): Promise<number> {
  const script = `
    const server = require('node:net').createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, 'port ' + server.address().port + '\\n');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const program = new Program(process.execPath, ['-e', script]);
  const port = Number((await program.prints(/port (\d+)/))[1]);
  for (let queued = 0; queued < 2; queued++) {
    const socket = connect(port, '127.0.0.1');
    onCleanup(() => socket.destroy());
    await once(socket, 'connect');
  }
  return port;
}

async function startOurs(one: Case): Promise<Side> {
  const { started, places } = await startBackends(one);
  const tunnel = makeTunnel((one.options ?? defaultOptions)(places));
  let log = '';
  tunnel.on('backend', ({ id, up }) => (log += `${id} is ${up ? 'up' : 'down'}\n`));
  const { port } = await startHttp(express().set('env', 'test').use(tunnel));
  return new Side({ is: 'ours', port }, started, {
    loads: async () => Promise.resolve(tunnel.stats().backends.map(({ load }) => load)),
    log: async () => Promise.resolve(log),
  });
}

async function startTheirs(one: Case): Promise<Side> {
  const { started, places } = await startBackends(one);
  const conf = (one.conf ?? defaultConf)(places);
  const { port, log } = await startLighttpd(`status.statistics-url = "/counters"\n${conf}`);
  const loads = async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/counters`)).text();
    return Array.from(text.matchAll(/^gw\.backend\.[^:]*\.0\.load: (\d+)$/gm), ([, load]) => Number(load));
  };
  return new Side({ is: 'lighttpd', port }, started, { loads, log });
}

class Hang extends Error {}

/** Within ten seconds: the slowest case takes six. */
async function observed(one: Case, side: Side): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Hang(`${side.is} hangs`)), 10_000);
  });
  return Promise.race([one.observe(side), late]).finally(() => clearTimeout(timer));
}

/**
 * lighttpd 1.4.69 forgets a request now and then, on a busy machine, when it goes on to the next host: what hangs there is
 * asked anew. It may not hang three times.
 */
async function askLighttpd(one: Case): Promise<{ seen: unknown; log: string }> {
  for (let attempt = 1; ; attempt++) {
    const side = await startTheirs(one);
    try {
      return { seen: await observed(one, side), log: `lighttpd's log:\n${await side.log()}` };
    } catch (error) {
      if (error instanceof Hang && attempt < 3) continue;
      throw new Error(`lighttpd's log:\n${await side.log()}`, { cause: error });
    }
  }
}

/** A test for each case. */
export function sideBySide(title: string, cases: readonly Case[]): void {
  describeWith('lighttpd')(besideLighttpd(title), () => {
    const asked = cases.filter(({ before }) => before === undefined || !isLighttpdSince(before));
    test.each(asked.map((one): [string, Case] => [one.name, one]))(
      '%s',
      { timeout: 40_000 },
      async (_, one) => {
        const [{ seen: lighttpd, log }, ours] = await Promise.all([
          askLighttpd(one),
          startOurs(one).then((side) => observed(one, side)),
        ]);
        if (one.differs) {
          const { lighttpd: known, ours: wanted } = one.differs;
          const all = known instanceof ByVersion ? known : since({ all: known });
          expect({ lighttpd, ours }, log).toEqual({ lighttpd: all.at(LIGHTTPD_VERSION ?? ''), ours: wanted });
          const others = all.entries.filter(([, seen]) => !isDeepStrictEqual(seen, wanted));
          expect(others, 'differs no more').not.toEqual([]);
        } else expect(ours, log).toEqual(lighttpd);
      },
    );
  });
}
