import { randomUUID } from 'node:crypto';
import { messageOf } from '../errors.js';
import type { Backplane, SlotCount } from './backplane.js';
import { withDeadline } from './deadline.js';
import { idBefore } from './end-ids.js';
import { readMessage, type EndCall, type Message } from './messages.js';
import { PeerHosts } from './peer-hosts.js';
import { Questions, type Answers } from './questions.js';
import { nameOfId, Replica } from './replica.js';
import { nameOfAddress, newAddress, type ReplicaSettings } from './replica-settings.js';
import { StoredEnds, UNREADABLE } from './stored-ends.js';

/** Seconds between two messages about the hosts of this replica, while something changes. */
const HOSTS_INTERVAL = 3;

/**
 * Limit of bytes per second for a replica's messages about hosts, added up over all receivers. With a thousand hosts and a hundred
 * replicas, this is one message in ten seconds.
 */
const HOSTS_RATE = 250_000;

/** Limit of calls of `end()` that are kept while the store is down. */
const MAX_UNSENT = 1000;

/** In the place of names: the store was never reached, so that no other process is known. */
const UNKNOWN = 'unknown';

interface UnsentEnd {
  readonly call: EndCall;
  readonly calledAt: number;
}

/** The parts of this process that other replicas may need. */
export interface ReplicaGroupOwner {
  counts(): SlotCount[];
  /** By host: loads, and seconds for which hosts are still down. */
  hosts(): { loads: Record<string, number>; down: Record<string, number> };
  /** Ends tunnels and openings of this process that began before `at` (`performance.now()`), and returns how many. */
  end(call: EndCall, at: number): number;
  /** The answer to a question of another replica. */
  answer(about: string, data: unknown): unknown;
  changed(isUp: boolean, reason: string): void;
  log(level: 'error' | 'warn' | 'info' | 'debug', text: string): void;
}

/** This process among the other replicas: its lease and counts, ends, questions and reports about hosts. */
export class ReplicaGroup {
  readonly hosts: PeerHosts;
  readonly replica: Replica;
  readonly #backplane: Backplane;
  readonly #settings: ReplicaSettings;
  readonly #owner: ReplicaGroupOwner;
  readonly #ends: StoredEnds;
  readonly #questions = new Questions();
  readonly #createdAt = performance.now();
  #unsent: UnsentEnd[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sentHosts = '';
  #sentAt = -Infinity;
  /** The time of the first message to all replicas since this replica last received a message of its own. */
  #unheardSince: number | undefined;
  #isListening: Promise<void> | undefined;
  #isClosed = false;

  constructor(backplane: Backplane, settings: ReplicaSettings, owner: ReplicaGroupOwner) {
    this.#backplane = backplane;
    // The name of a replica is for people, and other replicas may have the same name. From here on, `name` is the address.
    this.#settings = { ...settings, name: newAddress(settings.name) };
    this.#owner = owner;
    this.hosts = new PeerHosts(settings.ttl);
    this.#ends = new StoredEnds({
      name: this.#settings.name,
      // Without a deadline, a call that never settles would keep all later ends from being read.
      endsAfter: (id) => withDeadline(settings.timeout, () => backplane.endsAfter(id)),
      apply: (call, at) => owner.end(call, this.replica.localTime(at)),
      lost: () => owner.log('error', 'the store has forgotten calls of end() that this replica has not read'),
      unreadable: () =>
        owner.log(
          'warn',
          'a call of end() from a later version of express-wstunnel was not applied: update this process',
        ),
    });
    this.replica = new Replica(backplane, this.#settings, {
      counts: () => owner.counts(),
      changed: (isUp, reason) => this.#changed(isUp, reason),
      emptied: () => void this.#send({ kind: 'emptied', from: this.#settings.name }).catch(() => undefined),
      broken: (reason) =>
        owner.log('error', `a limit cannot be applied over all processes, and whenDown decides: ${reason}`),
      caughtUp: async ({ lastEnd, now = 0 }, cause) => {
        // Tunnels may have been opened before the first join, such as while the store was down.
        if (cause === 'first join') this.#ends.begin(idBefore(now - (performance.now() - this.#createdAt)));
        if (cause === 'join') this.#ends.rejoined(lastEnd);
        await this.#ends.caughtUp(lastEnd);
      },
    });
  }

  /** Tries to reach the store until a try succeeds. Resolves after the first try. Never rejects. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => this.#tick(), HOSTS_INTERVAL * 1000);
    this.#timer.unref();
    try {
      // Subscribe before the join: otherwise this replica would miss messages about ends and hosts.
      await withDeadline(this.#settings.timeout, () => this.#listen());
    } catch (error) {
      this.#owner.log('debug', `messages of other replicas are not received yet: ${messageOf(error)}`);
    }
    await this.replica.join();
  }

  /** The address of this replica. */
  get address(): string {
    return this.#settings.name;
  }

  /** The number of the other replicas. */
  get others(): number {
    return this.#known().length;
  }

  /** Ends tunnels of all other replicas. The caller has already ended the tunnels of this process. `silent`: names of replicas. */
  async end(
    call: EndCall,
    calledAt = performance.now(),
  ): Promise<{ ended: number; silent: readonly string[] }> {
    const from = this.#settings.name;
    const age = Math.round(performance.now() - calledAt);
    const text = JSON.stringify({ ...call, from, ...(age > 0 && { age }) });
    const known = this.#known();
    try {
      const stored = await this.replica.call(() => this.#backplane.storeEnd(text));
      const { id, at, previous } = stored;
      this.#ends.stored(stored);
      const others = this.#others(stored.replicas.map(nameOfId));
      const collected = await this.#questions.collect(id, others, this.#settings.timeout, () =>
        this.#send({ kind: 'end', from, id, previous, at, text }),
      );
      return { ended: sum(collected), silent: collected.silent.map(nameOfAddress) };
    } catch (error) {
      // Kept, and sent when the store answers again: the other replicas end the tunnels late rather than never.
      if (this.#unsent.length < MAX_UNSENT) this.#unsent.push({ call, calledAt });
      this.#owner.log('error', `end() did not reach the other replicas: ${messageOf(error)}`);
      return { ended: 0, silent: this.replica.hasJoined ? known.map(nameOfAddress) : [UNKNOWN] };
    }
  }

  /** Asks all other replicas, or one of them. Never rejects. */
  async ask(about: string, data: unknown, to?: string, seconds = this.#settings.timeout): Promise<Answers> {
    const others = to === undefined ? this.#known() : [to];
    const question = randomUUID();
    const message = { kind: 'ask', from: this.#settings.name, question, about, data } as const;
    return this.#questions.collect(question, others, seconds, () => this.#send(message, to));
  }

  /** Tells the other replicas about hosts now if the rate allows that, and otherwise at the next interval. */
  hostsChanged(): void {
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
    if (this.#isListening) return this.#isListening;
    const listening = this.#backplane
      .listen(this.#settings.name, {
        message: (text) => this.#received(text),
        interrupted: () => void this.replica.join(),
        failed: () => this.replica.check(),
      })
      .catch((error: unknown) => {
        if (this.#isListening === listening) this.#isListening = undefined;
        throw error;
      });
    this.#isListening = listening;
    return listening;
  }

  #listenAgain(): void {
    if (this.#isClosed) return;
    this.#listen().catch((error: unknown) =>
      this.#owner.log('debug', `messages of other replicas are not received: ${messageOf(error)}`),
    );
  }

  #changed(isUp: boolean, reason: string): void {
    this.#owner.changed(isUp, reason);
    if (!isUp) return;
    this.#listenAgain();
    // After a short interruption the state of hosts is still known. If all replicas asked for it at once, each would send it to each.
    if (this.hosts.isEmpty) this.#send({ kind: 'hello', from: this.#settings.name }).catch(() => undefined);
    this.#sentAt = -Infinity;
    this.#sendHosts();
    this.#sendUnsent();
  }

  #sendUnsent(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const { call, calledAt } of unsent) void this.end(call, calledAt);
  }

  #received(text: string): void {
    const message = readMessage(text);
    if (message?.from === this.#settings.name) this.#unheardSince = undefined;
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
        this.#sendHostsTo(message.from);
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
      // No answer: the sender then counts this replica as silent.
      if (ended === UNREADABLE) return;
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
    if (!this.replica.isUp) return;
    this.#checkHearing();
    this.#listenAgain();
    this.#sendUnsent();
    this.#sendHosts();
  }

  /** A subscription may be dead although its connection seems alive, for instance after a failover. */
  #checkHearing(): void {
    const since = this.#unheardSince;
    if (since === undefined || performance.now() - since < 2 * this.#settings.timeout * 1000) return;
    this.#owner.log('warn', 'messages of other replicas do not arrive: subscribing again');
    this.#unheardSince = undefined;
    this.#isListening = undefined;
    this.#listen().then(
      () => this.replica.join(),
      () => undefined,
    );
  }

  #sendHosts(): void {
    if (!this.replica.isUp) return;
    const hosts = this.#owner.hosts();
    const text = JSON.stringify(hosts);
    const age = (performance.now() - this.#sentAt) / 1000;
    const most = this.#settings.ttl / 3;
    const least = (text.length * this.replica.replicas.length) / HOSTS_RATE;
    if (age < (text === this.#sentHosts ? most : Math.min(least, most))) return;
    this.#sentHosts = text;
    this.#sentAt = performance.now();
    this.#unheardSince ??= this.#sentAt;
    this.#send({ kind: 'hosts', from: this.#settings.name, ...hosts }).catch(() => {
      // A message that was not sent says nothing about the subscription.
      this.#unheardSince = undefined;
    });
  }

  #sendHostsTo(name: string): void {
    if (!this.replica.isUp) return;
    const message = { kind: 'hosts', from: this.#settings.name, ...this.#owner.hosts() } as const;
    this.#send(message, name).catch(() => undefined);
  }

  #send(message: Message, to?: string): Promise<void> {
    return withDeadline(this.#settings.timeout, () => this.#backplane.publish(JSON.stringify(message), to));
  }

  /** The other replicas: those at the last heartbeat, and those with reports about hosts. */
  #known(): string[] {
    return this.#others([...new Set([...this.replica.replicas, ...this.hosts.replicas()])]);
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
