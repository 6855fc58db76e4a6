import { createHash } from 'node:crypto';
import { messageOf } from '../errors.js';
import { isAfter } from '../replicas/end-ids.js';
import type {
  Backplane,
  BackplaneListener,
  Beat,
  Joined,
  SlotCount,
  SlotRequest,
  StoredEnd,
  TakeOutcome,
} from '../replicas/backplane.js';
import type { TicketOutcome, TicketPut } from '../replicas/ticket-memory.js';
import type { RedisClient, Subscription } from './redis-client.js';
import { TakeQueue } from './take-queue.js';
import {
  ADJUST,
  BEAT,
  JOIN,
  LEAVE,
  PUT_TICKET,
  RAISE,
  STORE_END,
  TAKE,
  TAKE_TICKET,
  WRITE,
  type Script,
} from './scripts.js';

/** Raised with each change of keys or values, so that different versions of this package do not misread each other's keys. */
const FORMAT = 1;

/** Expiry (milliseconds) of the hashes of slots, renewed by each write: otherwise the fields of dead replicas would stay for ever. */
const KEEP = 6 * 3600_000;

/** Limit of keys in the memory of this process. */
const MOST_KEYS = 10_000;

/** Most names in one call of a script, since Redis does nothing else while a script runs. */
const MOST_NAMES = 250;

/**
 * Time (milliseconds) after the store was emptied in which it gives no slot, so that all replicas can write their counts. Both
 * clients pause up to 2.2 seconds between two tries to connect.
 */
const RECOVERY = 2500;

/** Limits of the list of ends: number, and age in milliseconds. */
const MOST_ENDS = 10_000;
const END_AGE = 3600_000;

/** Most ends in one answer of Redis. */
const MOST_READ = 1000;

interface RedisSettings {
  readonly prefix: string;
  /** Seconds. */
  readonly ttl: number;
  /** Seconds for Redis to answer. */
  readonly timeout: number;
  readonly names: 'hashed' | 'plain';
}

/** The store of replicas in Redis, and their messages. README.md beside this file describes the keys. */
export class RedisBackplane implements Backplane {
  readonly #client: RedisClient;
  readonly #settings: RedisSettings;
  /** The first part of all keys, with a hash tag: Redis Cluster keeps all keys of a script in one of its slots. */
  readonly #prefix: string;
  readonly #head: string[];
  #subscription: Subscription | undefined;
  #isClosed = false;
  /** The id of the newest join. */
  #joining: string | undefined;
  /** Keys by name. The end of a tunnel needs the same keys as its opening, and computing a hash takes as long as all other work here. */
  readonly #keys = new Map<string, string>();

  readonly #takes: TakeQueue;

  constructor(client: RedisClient, settings: RedisSettings) {
    this.#takes = new TakeQueue((replica, requests) => this.#take(replica, requests), settings.timeout);
    this.#client = client;
    this.#settings = settings;
    this.#prefix = `${settings.prefix}{${FORMAT}}:`;
    this.#head = ['replicas', 'epoch', 'filling', 'last-end'].map((name) => this.#prefix + name);
  }

  async join(replica: string, _before: string | undefined, counts: readonly SlotCount[]): Promise<Joined> {
    this.#joining = replica;
    // Counts of an unknown replica have no effect until it joins.
    await this.#write(replica, counts);
    const ofProcess = replica.slice(0, replica.lastIndexOf('#') + 1);
    const recovery = String(Math.min(RECOVERY, Number(this.#ttl)));
    const enter = () => this.#run(JOIN, [], [replica, ofProcess, this.#ttl, recovery]);
    let answer = await enter();
    const wasEmpty = Number(answer[3]) === 1;
    if (wasEmpty && counts.length > 0) {
      // The store may have been emptied between the two steps.
      await this.#write(replica, counts);
      answer = await enter();
    }
    return { ...stateOf(answer), isKnown: true, wasEmpty };
  }

  async beat(replica: string): Promise<Beat> {
    const answer = await this.#run(BEAT, [], [replica, this.#ttl]);
    return { ...stateOf(answer), isKnown: Number(answer[3]) === 1 };
  }

  take(replica: string, slots: readonly SlotRequest[]): Promise<TakeOutcome> {
    return this.#takes.take(replica, slots);
  }

  adjust(replica: string, changes: readonly SlotCount[]): Promise<void> {
    return this.#inParts(ADJUST, replica, changes);
  }

  refresh(replica: string, counts: readonly SlotCount[]): Promise<void> {
    return this.#inParts(RAISE, replica, counts);
  }

  async leave(replica: string): Promise<void> {
    await this.#run(LEAVE, [], [replica]);
  }

  async storeEnd(text: string): Promise<StoredEnd & { previous: string; replicas: readonly string[] }> {
    const args = ['', text, String(MOST_ENDS), String(END_AGE)];
    const answer = await this.#client.run(STORE_END, [...this.#head, `${this.#prefix}ends`], args);
    const [at, , replicas, id, previous] = listOf(answer);
    const names = listOf(replicas).map(String);
    return { id: String(id), at: Number(at), text, previous: String(previous), replicas: names };
  }

  async endsAfter(id: string): Promise<{ ends: readonly StoredEnd[]; isComplete: boolean }> {
    try {
      const entries = await this.#client.entriesAfter(`${this.#prefix}ends`, id, MOST_READ);
      const ends = entries.map(({ id: one, fields }) => {
        const { at, text = '' } = fields;
        return { id: one, at: Number(at ?? one.split('-')[0]), text };
      });
      const previous = entries[0]?.fields.previous;
      return { ends, isComplete: previous !== undefined && !isAfter(previous, id) };
    } catch (error) {
      // The key has a value of another type: there are no ends to read, now or later.
      if (messageOf(error).startsWith('WRONGTYPE')) return { ends: [], isComplete: false };
      throw error;
    }
  }

  async putTicket(id: string, content: string, milliseconds: number, owner?: string): Promise<TicketPut> {
    const args = [id, content, String(Math.round(milliseconds))];
    const keys = this.#ticketKeys(id);
    if (owner !== undefined) keys.push(`${this.#prefix}tickets:${owner}`);
    const answer = String(await this.#client.run(PUT_TICKET, keys, args));
    return answer === 'stored' || answer === 'user-full' ? answer : 'full';
  }

  async takeTicket(id: string): Promise<TicketOutcome<string>> {
    const [kind, content] = listOf(await this.#client.run(TAKE_TICKET, this.#ticketKeys(id), [id]));
    if (kind === 'taken' && typeof content === 'string') return { kind, content };
    return { kind: kind === 'used' || kind === 'expired' ? kind : 'unknown' };
  }

  publish(text: string, to?: string): Promise<void> {
    return this.#client.publish(this.#channel(to), text);
  }

  async listen(name: string, listener: BackplaneListener): Promise<void> {
    this.#subscription?.stop();
    if (this.#isClosed) throw new Error('the shared state is closed');
    this.#client.failure.onFailure = () => listener.failed();
    this.#subscription = this.#client.subscribe(
      [this.#channel(undefined), this.#channel(name)],
      (text) => listener.message(text),
      () => listener.interrupted(),
    );
    await this.#subscription.ready;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#joining = undefined;
    this.#subscription?.stop();
    this.#subscription = undefined;
    this.#client.free();
    return Promise.resolve();
  }

  get failure(): string | undefined {
    return this.#client.failure.reason;
  }

  get #ttl(): string {
    return String(Math.round(this.#settings.ttl * 1000));
  }

  #ticketKeys(id: string): string[] {
    return [`${this.#prefix}tickets`, `${this.#prefix}ticket:${id}`];
  }

  #channel(name: string | undefined): string {
    return name === undefined ? `${this.#prefix}all` : `${this.#prefix}to:${name}`;
  }

  /** `name`: a word such as `client`, and for most kinds a space and the address, user or host. */
  #key(name: string): string {
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = this.#newKey(name);
      if (this.#keys.size >= MOST_KEYS) this.#keys.clear();
      this.#keys.set(name, key);
    }
    return key;
  }

  #newKey(name: string): string {
    const [kind = '', ...rest] = name.split(' ');
    const what = rest.join(' ');
    if (what === '' || this.#settings.names === 'plain') return `${this.#prefix}slots:${name}`;
    return `${this.#prefix}slots:${kind} ${createHash('sha256').update(what).digest('base64url').slice(0, 22)}`;
  }

  /** Gives up when a newer join has begun: the caller no longer waits for this join, and a late step would bring its counts back. */
  async #write(replica: string, counts: readonly SlotCount[]): Promise<void> {
    for (const part of partsOf(counts)) {
      await this.#runFor(part, WRITE, replica);
      if (this.#joining !== replica) throw new Error('a newer join has begun');
    }
  }

  async #take(replica: string, requests: readonly (readonly SlotRequest[])[]): Promise<TakeOutcome[]> {
    const limits = requests.flatMap((slots) => [slots.length, ...slots.map(({ most }) => most)]);
    const [lastEnd, ...answers] = await this.#run(TAKE, requests.flat(), [
      replica,
      String(KEEP),
      ...limits.map(String),
    ]);
    if (lastEnd === 'unknown') return requests.map(() => ({ kind: 'unknown' }));
    if (lastEnd === 'filling') return requests.map(() => ({ kind: 'recovering' }));
    return requests.map((_, index) => outcomeOf(answers[2 * index], answers[2 * index + 1], String(lastEnd)));
  }

  /** Sends all parts at once: a later call, such as for a slot that has just become free, must find all counts changed. */
  async #inParts(script: Script, replica: string, counts: readonly SlotCount[]): Promise<void> {
    await Promise.all(partsOf(counts).map((part) => this.#runFor(part, script, replica)));
  }

  async #runFor(part: readonly SlotCount[], script: Script, replica: string): Promise<void> {
    await this.#run(script, part, [replica, String(KEEP), ...part.map(({ count }) => String(count))]);
  }

  async #run(script: Script, slots: readonly { name: string }[], args: string[]): Promise<unknown[]> {
    const keys = [...this.#head, ...slots.map(({ name }) => this.#key(name))];
    return listOf(await this.#client.run(script, keys, args));
  }
}

function partsOf(counts: readonly SlotCount[]): SlotCount[][] {
  const parts: SlotCount[][] = [];
  for (let at = 0; at < counts.length; at += MOST_NAMES) parts.push(counts.slice(at, at + MOST_NAMES));
  return parts;
}

function outcomeOf(kind: unknown, detail: unknown, lastEnd: string): TakeOutcome {
  if (kind === 'taken') return { kind, lastEnd };
  if (kind === 'full') return { kind, index: Number(detail), lastEnd };
  return { kind: 'broken', reason: String(detail) };
}

function stateOf([now, lastEnd, replicas]: unknown[]): Omit<Beat, 'isKnown'> {
  return { now: Number(now), lastEnd: String(lastEnd), replicas: listOf(replicas).map(String) };
}

function listOf(answer: unknown): unknown[] {
  return Array.isArray(answer) ? answer : [];
}
