import type {
  Backplane,
  BackplaneListener,
  Beat,
  Joined,
  SlotCount,
  SlotRequest,
  TakeOutcome,
} from './backplane.js';
import type { MemoryStore } from './memory-backplane.js';
import type { TicketOutcome, TicketPut } from './ticket-memory.js';

/** Messages between two processes. */
export interface Channel {
  send(message: unknown): void;
  /** Returns the function that removes the listener. */
  listen(listener: (message: unknown) => void): () => void;
}

/** The methods that can be called through a channel. */
const METHODS = [
  'join',
  'beat',
  'take',
  'adjust',
  'leave',
  'storeEnd',
  'endsAfter',
  'putTicket',
  'takeTicket',
  'publish',
  'listen',
  'unlisten',
] as const;
type Method = (typeof METHODS)[number];

/** Limit of calls without an answer. */
const MAX_CALLS = 10_000;

/** A call is forgotten after this many times `timeout`: its caller has given up. */
const FORGET_AFTER = 10;

/** After this many calls without any answer, the other process has probably no store, and is not just busy. */
const SILENT_CALLS = 3;

interface ChannelSettings {
  /** Seconds for the store to answer. */
  readonly timeout: number;
  /** The error message while the other process has never answered: it may have no store. */
  readonly silence?: string;
  /** Called once if the other process has not answered the first calls. */
  readonly warn?: () => void;
}

interface OpenCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

interface Call {
  readonly wstunnelStore: string;
  readonly call: number;
  readonly method: Method;
  readonly args: readonly unknown[];
}

interface Reply {
  readonly wstunnelStore: string;
  readonly reply: number;
  readonly value?: unknown;
  readonly error?: string;
}

interface Delivery {
  readonly wstunnelStore: string;
  readonly deliver: string;
}

/**
 * Answers the calls of another process to the store in this process. Returns a function that ends the service and frees the slots
 * of that process.
 */
export function serveStore(store: MemoryStore, name: string, channel: Channel): () => void {
  const joined = new Set<string>();
  const listening = new Set<string>();
  const listener: BackplaneListener = {
    message: (text) => channel.send({ wstunnelStore: name, deliver: text } satisfies Delivery),
    interrupted: () => undefined,
    failed: () => undefined,
  };
  const run = ({ method, args }: Call): unknown => {
    const [first] = args;
    if (method === 'listen') {
      listening.add(String(first));
      store.listen(String(first), listener);
      return undefined;
    }
    if (method === 'unlisten') listening.delete(String(first));
    if (method === 'join') {
      joined.delete(String(args[1]));
      joined.add(String(first));
    }
    if (method === 'leave') joined.delete(String(first));
    return (store[method] as (...given: unknown[]) => unknown).apply(
      store,
      // JSON has no `undefined`.
      args.map((one) => one ?? undefined),
    );
  };
  const stop = channel.listen((message) => {
    if (!isCall(message, name)) return;
    let reply: Reply;
    try {
      reply = { wstunnelStore: name, reply: message.call, value: run(message) };
    } catch (error) {
      reply = { wstunnelStore: name, reply: message.call, error: String(error) };
    }
    channel.send(reply);
  });
  return () => {
    stop();
    for (const replica of joined) store.leave(replica);
    for (const one of listening) store.unlisten(one);
  };
}

/** Access to the store in another process, such as the primary of node:cluster. */
export class ChannelBackplane implements Backplane {
  readonly #channel: Channel;
  readonly #store: string;
  readonly #settings: ChannelSettings;
  readonly #calls = new Map<number, OpenCall>();
  readonly #stop: () => void;
  #count = 0;
  #isAnswered = false;
  #silentCalls = 0;
  #listener: BackplaneListener | undefined;
  #name: string | undefined;

  /** `store`: the name of the store, since a process may have several. */
  constructor(channel: Channel, store: string, settings: ChannelSettings = { timeout: 1 }) {
    this.#channel = channel;
    this.#store = store;
    this.#settings = settings;
    this.#stop = channel.listen((message) => this.#received(message));
  }

  join(replica: string, before: string | undefined, counts: readonly SlotCount[]): Promise<Joined> {
    return this.#call('join', replica, before, counts) as Promise<Joined>;
  }

  beat(replica: string): Promise<Beat> {
    return this.#call('beat', replica) as Promise<Beat>;
  }

  take(replica: string, slots: readonly SlotRequest[]): Promise<TakeOutcome> {
    return this.#call('take', replica, slots) as Promise<TakeOutcome>;
  }

  async adjust(replica: string, changes: readonly SlotCount[]): Promise<void> {
    await this.#call('adjust', replica, changes);
  }

  async refresh(): Promise<void> {
    // A store in memory forgets no count of a live replica.
  }

  async leave(replica: string): Promise<void> {
    await this.#call('leave', replica);
  }

  storeEnd(text: string): ReturnType<Backplane['storeEnd']> {
    return this.#call('storeEnd', text) as ReturnType<Backplane['storeEnd']>;
  }

  endsAfter(id: string): ReturnType<Backplane['endsAfter']> {
    return this.#call('endsAfter', id) as ReturnType<Backplane['endsAfter']>;
  }

  putTicket(id: string, content: string, milliseconds: number, owner?: string): Promise<TicketPut> {
    return this.#call('putTicket', id, content, milliseconds, owner) as Promise<TicketPut>;
  }

  takeTicket(id: string): Promise<TicketOutcome<string>> {
    return this.#call('takeTicket', id) as Promise<TicketOutcome<string>>;
  }

  async publish(text: string, to?: string): Promise<void> {
    await this.#call('publish', text, to);
  }

  async listen(name: string, listener: BackplaneListener): Promise<void> {
    this.#listener = listener;
    this.#name = name;
    await this.#call('listen', name);
  }

  async close(): Promise<void> {
    try {
      if (this.#name !== undefined) await this.#call('unlisten', this.#name);
    } finally {
      this.#stop();
      for (const call of [...this.#calls.keys()])
        this.#settle(call)?.reject(new Error('the shared state is closed'));
    }
  }

  #call(method: Method, ...args: unknown[]): Promise<unknown> {
    if (this.#calls.size >= MAX_CALLS) return Promise.reject(new Error('too many calls have no answer'));
    const call = ++this.#count;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#late(call), this.#patience);
      timer.unref();
      this.#calls.set(call, { resolve, reject, timer });
      this.#channel.send({ wstunnelStore: this.#store, call, method, args } satisfies Call);
    });
  }

  /**
   * Milliseconds for an answer. Until the first answer, a call fails just before the deadline of its caller, so that the error is
   * `silence`.
   */
  get #patience(): number {
    const { timeout, silence } = this.#settings;
    return silence !== undefined && !this.#isAnswered ? timeout * 1000 - 1 : timeout * FORGET_AFTER * 1000;
  }

  #late(call: number): void {
    const { silence, warn } = this.#settings;
    const isSilent = !this.#isAnswered && silence !== undefined;
    this.#settle(call)?.reject(new Error(isSilent ? silence : 'no answer'));
    if (isSilent && ++this.#silentCalls === SILENT_CALLS) warn?.();
  }

  #settle(call: number): OpenCall | undefined {
    const found = this.#calls.get(call);
    clearTimeout(found?.timer);
    this.#calls.delete(call);
    return found;
  }

  #received(message: unknown): void {
    if (!isOf(message, this.#store)) return;
    if (typeof message.deliver === 'string') this.#listener?.message(message.deliver);
    if (typeof message.reply !== 'number') return;
    this.#isAnswered = true;
    const call = this.#settle(message.reply);
    if (typeof message.error === 'string') call?.reject(new Error(message.error));
    else call?.resolve(message.value);
  }
}

function isOf(message: unknown, store: string): message is Record<string, unknown> {
  return (
    typeof message === 'object' &&
    message !== null &&
    (message as Record<string, unknown>).wstunnelStore === store
  );
}

function isCall(message: unknown, store: string): message is Call {
  if (!isOf(message, store)) return false;
  const { call, method, args } = message;
  return typeof call === 'number' && METHODS.includes(method as Method) && Array.isArray(args);
}
