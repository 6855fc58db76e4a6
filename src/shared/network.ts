import type { PeerAnswer } from '../admin/peer-answer.js';
import type { AdminPeers } from '../admin/peer-states.js';
import type { HostStates } from '../backends/host-states.js';
import { picksOf } from '../guard/tunnel-filter.js';
import type { Backplane } from '../replicas/backplane.js';
import type { EndCall } from '../replicas/messages.js';
import { ReplicaGroup } from '../replicas/replica-group.js';
import { nameOfAddress, type ReplicaSettings } from '../replicas/replica-settings.js';
import { SharedCounter } from '../replicas/shared-counter.js';
import { TicketCalls } from '../replicas/ticket-calls.js';
import type { EndResult } from '../types.js';
import type { Members, SharedTunnel } from './members.js';
import { isReplaced, REPLACE_TIME, replaceTunnel } from './replace.js';

/** The oldest tunnel of a user at a host that is full. */
export interface OldestTunnel {
  readonly id: string;
  /** The shared id of the host. */
  readonly host: string;
  /** The address of the process among the replicas; undefined for this one. */
  readonly replica: string | undefined;
}

/** The parts of a state that other processes share. */
interface NetworkOwner {
  readonly members: Members;
  readonly hosts: () => HostStates;
  /** The answer to a question from the admin page of another process. */
  view(question: unknown): PeerAnswer | undefined;
  changed(isUp: boolean, reason: string): void;
  log(level: 'error' | 'warn' | 'info' | 'debug', text: string): void;
}

/** Connects the state of this process with the states of other processes: counts, ends, hosts, and the list of tunnels. */
export class Network {
  readonly counter: SharedCounter;
  readonly tickets: TicketCalls;
  /** The other processes, for the admin page. */
  readonly peers: AdminPeers = networkPeers(() => this.#group);
  readonly #group: ReplicaGroup;
  readonly #owner: NetworkOwner;
  /** Resolves after the first try to reach the store. */
  readonly ready: Promise<void>;

  constructor(backplane: Backplane, settings: ReplicaSettings, owner: NetworkOwner) {
    this.#owner = owner;
    this.counter = new SharedCounter(() => this.#group.replica, settings);
    this.#group = new ReplicaGroup(backplane, settings, {
      counts: () => this.counter.counts(),
      hosts: () => this.#ownHosts(),
      end: ({ where, code, reason }, at) => owner.members.end(picksOf(where), code, reason, at),
      answer: (about, data) => this.#answer(about, data),
      changed: (isUp, reason) => owner.changed(isUp, reason),
      log: (level, text) => owner.log(level, text),
    });
    this.tickets = new TicketCalls(backplane, settings, this.#group.replica);
    this.ready = this.#group.start();
  }

  get isUp(): boolean {
    return this.#group.replica.isReached;
  }

  get hosts(): ReplicaGroup['hosts'] {
    return this.#group.hosts;
  }

  /** A host went down: reports this to the other processes, which then avoid the host. */
  hostChanged(): void {
    this.#group.hostsChanged();
  }

  /** Ends tunnels of all other processes. */
  async end(call: EndCall): Promise<EndResult> {
    const { ended, silent } = await this.#group.end(call);
    return { ended, silent: [...silent] };
  }

  /** The oldest tunnel of a user at one of these hosts, in any process. */
  async oldestOf(user: string, hosts: readonly string[]): Promise<OldestTunnel | undefined> {
    const { answers } = await this.#group.ask('oldest', { user, hosts });
    const found = [...answers].flatMap(([replica, answer]) =>
      isOldest(answer) ? [{ ...answer, replica }] : [],
    );
    const own = this.#oldestHere(user, hosts);
    const all = [...(own ? [{ ...own, replica: undefined }] : []), ...found];
    return all.sort((a, b) => a.age - b.age).at(-1);
  }

  /** Ends the tunnel, in its process. Resolves to false if that process did not confirm the end in time. */
  async replace({ id, replica }: OldestTunnel): Promise<boolean> {
    if (replica === undefined) return this.#replaceHere(id);
    const { answers } = await this.#group.ask('replace', { id }, replica, REPLACE_TIME + 1);
    return answers.get(replica) === true;
  }

  close(): Promise<void> {
    return this.#group.close();
  }

  #ownHosts(): { loads: Record<string, number>; down: Record<string, number> } {
    const loads: Record<string, number> = {};
    const down: Record<string, number> = {};
    const now = performance.now();
    for (const { sharedId, load, isDown, downUntil } of this.#owner.hosts().all()) {
      if (sharedId === undefined) continue;
      if (load > 0) loads[sharedId] = load;
      if (isDown && downUntil > now) down[sharedId] = Math.ceil((downUntil - now) / 1000);
    }
    return { loads, down };
  }

  #answer(about: string, data: unknown): unknown {
    const given = (typeof data === 'object' && data !== null ? data : {}) as Record<string, unknown>;
    switch (about) {
      case 'admin':
        return this.#owner.view(data);
      case 'oldest':
        return typeof given.user === 'string' && Array.isArray(given.hosts)
          ? this.#oldestHere(given.user, given.hosts)
          : undefined;
      case 'replace':
        return typeof given.id === 'string' ? this.#replaceHere(given.id) : false;
      default:
        return undefined;
    }
  }

  #oldestHere(
    user: string,
    hosts: readonly unknown[],
  ): { id: string; host: string; age: number } | undefined {
    const asked = new Set(hosts);
    let oldest: SharedTunnel | undefined;
    // Each request at a full host asks all processes: compare times first, and make the data (`info()`) of few tunnels.
    for (const { open } of this.#owner.members.all())
      for (const tunnel of open) {
        if (!asked.has(tunnel.sharedHost) || (oldest && oldest.arrived <= tunnel.arrived)) continue;
        if (tunnel.info().user === user && !isReplaced(tunnel)) oldest = tunnel;
      }
    if (oldest?.sharedHost === undefined) return undefined;
    // An age and no time, since the clocks of machines differ.
    return { id: oldest.info().id, host: oldest.sharedHost, age: performance.now() - oldest.arrived };
  }

  async #replaceHere(id: string): Promise<boolean> {
    const [found] = this.#owner.members.select((info) => info.id === id);
    if (!found || isReplaced(found.tunnel)) return false;
    return replaceTunnel(found.tunnel);
  }
}

function networkPeers(group: () => ReplicaGroup): AdminPeers {
  return {
    get address() {
      return group().address;
    },
    nameOf: nameOfAddress,
    count: () => group().others,
    ask: (question) => group().ask('admin', question),
  };
}

function isOldest(answer: unknown): answer is { id: string; host: string; age: number } {
  const { id, host, age } = (answer ?? {}) as Record<string, unknown>;
  return typeof id === 'string' && typeof host === 'string' && typeof age === 'number';
}
