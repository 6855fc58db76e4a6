import type { Backplane, BackplaneListener, SlotCount, SlotRequest } from '../../src/replicas/backplane.js';
import { MemoryBackplane, type MemoryStore } from '../../src/replicas/memory-backplane.js';
import { deferred, type Deferred } from '../../src/helpers/deferred.js';

type Call = Exclude<keyof Backplane, 'close'>;

/** How the next calls of a method go: as usual; without an effect and a failure, or no answer; or with an effect and no answer. */
export type Mood = 'fine' | 'fails' | 'hangs' | 'mute';

/** A backplane over a store in memory that fails, hangs or answers late, as a test says. */
export class FakeBackplane implements Backplane {
  readonly calls: [method: Call, ...args: unknown[]][] = [];
  readonly #store: MemoryStore;
  readonly #inner: MemoryBackplane;
  readonly #moods = new Map<Call, Mood>();
  readonly #held = new Map<Call, Deferred<void>[]>();
  listener: BackplaneListener | undefined;

  constructor(store: MemoryStore) {
    this.#store = store;
    this.#inner = new MemoryBackplane(store);
  }

  /** For one method or all of them. */
  set(mood: Mood, ...methods: Call[]): void {
    const all: Call[] = ['join', 'beat', 'take', 'adjust', 'refresh', 'leave', 'storeEnd', 'endsAfter', 'putTicket', 'takeTicket', 'publish', 'listen']; // prettier-ignore
    for (const method of methods.length > 0 ? methods : all) this.#moods.set(method, mood);
  }

  /** The next call of the method has its effect, and answers when the returned function is called. */
  hold(method: Call): () => void {
    const gate = deferred();
    this.#held.set(method, [...(this.#held.get(method) ?? []), gate]);
    return gate.resolve;
  }

  count(method: Call): number {
    return this.calls.filter(([name]) => name === method).length;
  }

  join(replica: string, before: string | undefined, counts: readonly SlotCount[]) {
    return this.#run('join', () => this.#inner.join(replica, before, counts), replica, before, counts);
  }

  beat(replica: string) {
    return this.#run('beat', () => this.#inner.beat(replica), replica);
  }

  take(replica: string, slots: readonly SlotRequest[]) {
    return this.#run('take', () => this.#inner.take(replica, slots), replica, slots);
  }

  adjust(replica: string, changes: readonly SlotCount[]) {
    return this.#run('adjust', () => this.#inner.adjust(replica, changes), replica, changes);
  }

  refresh(replica: string, counts: readonly SlotCount[]) {
    return this.#run('refresh', () => this.#inner.refresh(), replica, counts);
  }

  leave(replica: string) {
    return this.#run('leave', () => this.#inner.leave(replica), replica);
  }

  storeEnd(text: string) {
    return this.#run('storeEnd', () => this.#inner.storeEnd(text), text);
  }

  endsAfter(id: string) {
    return this.#run('endsAfter', () => this.#inner.endsAfter(id), id);
  }

  putTicket(id: string, content: string, milliseconds: number, owner?: string) {
    const act = () => this.#inner.putTicket(id, content, milliseconds, owner);
    return this.#run('putTicket', act, id, content, milliseconds, owner);
  }

  takeTicket(id: string) {
    return this.#run('takeTicket', () => this.#inner.takeTicket(id), id);
  }

  publish(text: string, to?: string) {
    return this.#run('publish', () => this.#inner.publish(text, to), text, to);
  }

  listen(name: string, listener: BackplaneListener) {
    this.listener = listener;
    return this.#run('listen', () => this.#inner.listen(name, listener), name);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** Ends the replica's lease, as a pause of the process beyond `ttl` does. */
  expire(replica: string): void {
    this.#store.leave(replica);
  }

  async #run<T>(method: Call, act: () => Promise<T>, ...args: unknown[]): Promise<T> {
    this.calls.push([method, ...args]);
    const gate = this.#held.get(method)?.shift();
    switch (this.#moods.get(method)) {
      case 'fails':
        throw new Error('READONLY');
      case 'hangs':
        return new Promise(() => undefined);
      case 'mute':
        await act();
        return new Promise(() => undefined);
      default: {
        const result = await act();
        await gate?.promise;
        return result;
      }
    }
  }
}
