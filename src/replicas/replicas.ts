import { randomUUID } from 'node:crypto';
import { messageOf } from '../errors.js';
import type { Backplane, SlotCount } from './backplane.js';
import { withDeadline } from './deadline.js';
import { readMessage, type EndCall, type Message } from './messages.js';
import { PeerHosts } from './peer-hosts.js';
import { Questions, type Answers } from './questions.js';
import { nameOfId, Replica } from './replica.js';
import type { ReplicaSettings } from './replica-settings.js';
import { StoredEnds } from './stored-ends.js';

/** Seconds between two messages about the hosts of this replica, while something changes. */
const HOSTS_INTERVAL = 3;

/** Limit of calls of `end()` that are kept while the store is down. */
const MAX_UNSENT = 1000;

/** The state of this process that other replicas may need. */
export interface ReplicasOwner {
  counts(): SlotCount[];
  /** Loads by host, and seconds for which hosts are down. */
  hosts(): { loads: Record<string, number>; down: Record<string, number> };
  /** Ends tunnels and openings of this process that began before `at` (`performance.now()`), and returns how many. */
  end(call: EndCall, at: number): number;
  /** The answer to a question of another replica. */
  answer(about: string, data: unknown): unknown;
  changed(isUp: boolean, reason: string): void;
  log(level: 'error' | 'warn' | 'info' | 'debug', text: string): void;
}

/** The connection of this process to the other replicas. */
export class Replicas {
  readonly hosts: PeerHosts;
  readonly replica: Replica;
  readonly #backplane: Backplane;
  readonly #settings: ReplicaSettings;
  readonly #owner: ReplicasOwner;
  readonly #ends: StoredEnds;
  readonly #questions = new Questions();
  readonly #unsent: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sentHosts = '';
  #sentAt = -Infinity;
  #isListening: Promise<void> | undefined;
  #isClosed = false;

  constructor(backplane: Backplane, settings: ReplicaSettings, owner: ReplicasOwner) {
    this.#backplane = backplane;
    this.#settings = settings;
    this.#owner = owner;
    this.hosts = new PeerHosts(settings.ttl);
    this.#ends = new StoredEnds({
      name: settings.name,
      endsAfter: (id) => backplane.endsAfter(id),
      apply: (call, at) => owner.end(call, this.replica.localTime(at)),
      lost: () => owner.log('error', 'the store has forgotten calls of end() that this replica has not read'),
    });
    this.replica = new Replica(backplane, settings, {
      counts: () => owner.counts(),
      changed: (isUp, reason) => this.#changed(isUp, reason),
      emptied: () => void this.#send({ kind: 'emptied', from: this.#settings.name }).catch(() => undefined),
      caughtUp: async ({ lastEnd }, isFirst) => {
        if (isFirst) this.#ends.begin(lastEnd);
        await this.#ends.caughtUp(lastEnd);
      },
    });
  }

  /** Reaches the store, again and again until that succeeds. Resolves after the first try. Never rejects. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => this.#tick(), HOSTS_INTERVAL * 1000);
    this.#timer.unref();
    try {
      // First the messages: otherwise the hosts of other replicas, and ends, would be missed.
      await withDeadline(this.#settings.timeout, () => this.#listen());
    } catch (error) {
      this.#owner.log('debug', `messages of other replicas are not received yet: ${messageOf(error)}`);
    }
    await this.replica.join();
  }

  /** Ends tunnels on all other replicas; this one has ended its own already. */
  async end(call: EndCall): Promise<{ ended: number; silent: readonly string[] }> {
    const text = JSON.stringify({ ...call, from: this.#settings.name });
    const known = this.#others(this.replica.replicas);
    try {
      const stored = await this.replica.call(() => this.#backplane.storeEnd(text));
      const { id, at, previous } = stored;
      const others = this.#others(stored.replicas.map(nameOfId));
      const collected = await this.#questions.collect(id, others, this.#settings.timeout, () =>
        this.#send({ kind: 'end', from: this.#settings.name, id, previous, at, text }),
      );
      return { ended: sum(collected), silent: collected.silent };
    } catch (error) {
      // Sent when the store is reached again: the other replicas end the tunnels late, but not never.
      if (this.#unsent.length < MAX_UNSENT) this.#unsent.push(text);
      this.#owner.log('error', `end() did not reach the other replicas: ${messageOf(error)}`);
      return { ended: 0, silent: known };
    }
  }

  /** Asks all other replicas, or one of them. Never rejects. */
  async ask(about: string, data: unknown, to?: string, seconds = this.#settings.timeout): Promise<Answers> {
    const others = to === undefined ? this.#others(this.replica.replicas) : [to];
    const question = randomUUID();
    const message = { kind: 'ask', from: this.#settings.name, question, about, data } as const;
    return this.#questions.collect(question, others, seconds, () => this.#send(message, to));
  }

  /** Tells the other replicas about hosts now, not at the next interval. */
  hostsChanged(): void {
    this.#sentAt = -Infinity;
    this.#sendHosts();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#questions.close();
    if (this.replica.isUp)
      await this.#send({ kind: 'bye', from: this.#settings.name }).catch(() => undefined);
    await this.replica.close();
    await withDeadline(this.#settings.timeout, () => this.#backplane.close()).catch(() => undefined);
  }

  #listen(): Promise<void> {
    this.#isListening ??= this.#backplane
      .listen(this.#settings.name, {
        message: (text) => this.#received(text),
        interrupted: () => void this.replica.join(),
      })
      .catch((error: unknown) => {
        this.#isListening = undefined;
        throw error;
      });
    return this.#isListening;
  }

  #changed(isUp: boolean, reason: string): void {
    this.#owner.changed(isUp, reason);
    if (!isUp) return;
    this.#listen().catch(() => undefined);
    this.#send({ kind: 'hello', from: this.#settings.name }).catch(() => undefined);
    this.hostsChanged();
    for (const text of this.#unsent.splice(0)) {
      const { where, code, reason: why } = JSON.parse(text) as EndCall;
      void this.end({ where, code, reason: why });
    }
  }

  #received(text: string): void {
    const message = readMessage(text);
    if (!message || message.from === this.#settings.name) return;
    switch (message.kind) {
      case 'end':
        void this.#endReceived(message);
        break;
      case 'ask':
        void this.#answer(message);
        break;
      case 'answer':
        this.#questions.received(message);
        break;
      case 'hosts':
        this.hosts.heard(message);
        break;
      case 'hello':
        this.replica.joined(message.from);
        this.hostsChanged();
        break;
      case 'emptied':
        void this.replica.join();
        break;
      case 'bye':
        this.hosts.forget(message.from);
        this.replica.left(message.from);
        break;
    }
  }

  async #endReceived({ id, at, previous, text, from }: Extract<Message, { kind: 'end' }>): Promise<void> {
    try {
      const ended = (await this.#ends.received({ id, at, text }, previous)) ?? 0;
      await this.#send({ kind: 'answer', from: this.#settings.name, question: id, data: ended }, from);
    } catch (error) {
      this.#owner.log('warn', `a call of end() could not be read: ${messageOf(error)}`);
    }
  }

  async #answer({ question, about, data, from }: Extract<Message, { kind: 'ask' }>): Promise<void> {
    try {
      const answer = await this.#owner.answer(about, data);
      await this.#send({ kind: 'answer', from: this.#settings.name, question, data: answer }, from);
    } catch (error) {
      this.#owner.log('warn', `a question of another replica was not answered: ${messageOf(error)}`);
    }
  }

  #tick(): void {
    this.hosts.sweep();
    this.#sendHosts();
  }

  #sendHosts(): void {
    if (!this.replica.isUp) return;
    const hosts = this.#owner.hosts();
    const text = JSON.stringify(hosts);
    const age = performance.now() - this.#sentAt;
    if (text === this.#sentHosts && age < (this.#settings.ttl * 1000) / 3) return;
    this.#sentHosts = text;
    this.#sentAt = performance.now();
    this.#send({ kind: 'hosts', from: this.#settings.name, ...hosts }).catch(() => undefined);
  }

  #send(message: Message, to?: string): Promise<void> {
    return withDeadline(this.#settings.timeout, () => this.#backplane.publish(JSON.stringify(message), to));
  }

  #others(names: readonly string[]): string[] {
    return names.filter((name) => name !== this.#settings.name);
  }
}

function sum({ answers }: Answers): number {
  let ended = 0;
  for (const answer of answers.values()) if (typeof answer === 'number') ended += answer;
  return ended;
}
