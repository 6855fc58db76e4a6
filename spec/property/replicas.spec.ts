import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Lease } from '../../src/helpers/lease.js';
import type { Backplane, BackplaneListener, SlotCount, SlotRequest } from '../../src/replicas/backplane.js';
import { MemoryBackplane, MemoryStore } from '../../src/replicas/memory-backplane.js';
import { Replica } from '../../src/replicas/replica.js';
import { SharedCounter } from '../../src/replicas/shared-counter.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const RUNS = Number(process.env.RUNS ?? 150);
const TTL = 9;
const TIMEOUT = 1;
const LIMITS = { 'user ann': 2, 'user bob': 2, total: 3 } as const;
type Name = keyof typeof LIMITS;
const NAMES = Object.keys(LIMITS) as Name[];

/** Messages in the order in which they were sent, each after the same time; with a loss, the effect happens and the answer is lost. */
class SlowBackplane implements Backplane {
  readonly #inner: MemoryBackplane;
  readonly #delay: number;
  #losses = 0;
  #isDead = false;

  constructor(store: MemoryStore, delay: number) {
    this.#inner = new MemoryBackplane(store);
    this.#delay = delay;
  }

  loseAnswer(): void {
    this.#losses++;
  }

  /** The process was killed: nothing that it sends from now on has an effect. */
  kill(): void {
    this.#isDead = true;
  }

  join = (replica: string, before: string | undefined, counts: readonly SlotCount[]) =>
    this.#send(() => this.#inner.join(replica, before, counts));
  beat = (replica: string) => this.#send(() => this.#inner.beat(replica));
  take = (replica: string, slots: readonly SlotRequest[]) =>
    this.#send(() => this.#inner.take(replica, slots));
  adjust = (replica: string, changes: readonly SlotCount[]) =>
    this.#send(() => this.#inner.adjust(replica, changes));
  refresh = () => this.#send(() => this.#inner.refresh());
  leave = (replica: string) => this.#send(() => this.#inner.leave(replica));
  storeEnd = (text: string) => this.#send(() => this.#inner.storeEnd(text));
  endsAfter = (id: string) => this.#send(() => this.#inner.endsAfter(id));
  putTicket = (id: string, content: string, milliseconds: number, owner?: string) =>
    this.#send(() => this.#inner.putTicket(id, content, milliseconds, owner));
  takeTicket = (id: string) => this.#send(() => this.#inner.takeTicket(id));
  publish = (text: string, to?: string) => this.#send(() => this.#inner.publish(text, to));
  listen = (name: string, listener: BackplaneListener) => this.#inner.listen(name, listener);
  close = () => this.#inner.close();

  async #send<T>(act: () => Promise<T>): Promise<T> {
    const isDead = this.#isDead;
    await wait(this.#delay);
    if (isDead || this.#isDead) return new Promise(() => undefined);
    const result = await act();
    if (this.#losses > 0) {
      this.#losses--;
      return new Promise(() => undefined);
    }
    await wait(this.#delay);
    return result;
  }
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A process with its tunnels: `leases` are the truth. */
class Site {
  readonly replica: Replica;
  readonly backplane: SlowBackplane;
  readonly leases: { name: string; lease: Lease; names: Name[] }[] = [];
  readonly #counter: SharedCounter;
  isAlive = true;

  constructor(store: MemoryStore, name: string, delay: number, whenDown: 'local' | 'refuse') {
    this.backplane = new SlowBackplane(store, delay);
    const settings = { name, ttl: TTL, timeout: TIMEOUT, whenDown };
    this.#counter = new SharedCounter(() => this.replica, settings);
    this.replica = new Replica(this.backplane, settings, {
      counts: () => this.#counter.counts(),
      changed: () => undefined,
      emptied: () => undefined,
      broken: () => undefined,
      // Reads ends of other replicas, now and then.
      caughtUp: () => wait(delay === 2 ? 0 : 5),
    });
  }

  async open(name: Name, isLimited: boolean, opened: () => void): Promise<void> {
    const names: Name[] = [name, 'total'];
    const slots = names.map((one) => ({
      name: one,
      most: isLimited || one === 'total' ? LIMITS[one] : Infinity,
    }));
    try {
      const lease = await this.#counter.take(slots);
      if (typeof lease === 'number' || !this.isAlive) return;
      this.leases.push({ name, lease, names });
      opened();
    } catch {
      // The store is down, for this request.
    }
  }

  /** From the first request with a limit on, slots of this kind without a limit are in the store as well. */
  async learnKind(): Promise<void> {
    const lease = await Promise.resolve(this.#counter.take([{ name: 'user setup', most: 9 }])).catch(() => 0);
    if (typeof lease !== 'number') lease.release();
  }

  count(name: Name): number {
    return this.isAlive ? this.leases.filter(({ names }) => names.includes(name)).length : 0;
  }

  kill(): void {
    this.isAlive = false;
    this.backplane.kill();
    void this.replica.close();
  }
}

const site = fc.nat(2);
const name = fc.constantFrom<Name>('user ann', 'user bob');
const pause = fc.record({ act: fc.constant('pause' as const), time: fc.constantFrom(1, 3, 10, 400, 4000) });
const common = [
  { weight: 8, arbitrary: fc.record({ act: fc.constant('open' as const), site, name }) },
  { weight: 5, arbitrary: fc.record({ act: fc.constant('close' as const), site, which: fc.nat(9) }) },
  { weight: 5, arbitrary: pause },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('kill' as const), site }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('join' as const), site }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('lose' as const), site }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('leave' as const), site }) },
] as const;
const safe = fc.oneof(...common);
/** Steps after which a limit may be exceeded: the store has forgotten a living replica, or does not know of a slot yet. */
const doubtful = fc.oneof(
  ...common,
  { weight: 1, arbitrary: fc.record({ act: fc.constant('forget' as const), site }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('open-free' as const), site, name }) },
);

type Step = typeof doubtful extends fc.Arbitrary<infer T> ? T : never;

/** Runs the steps on three replicas; then waits until all is quiet, and compares the store with the truth. */
async function run(steps: readonly Step[], whenDown: 'local' | 'refuse', opened: (all: Site[]) => void) {
  const store = new MemoryStore(TTL);
  const sites: Site[] = [];
  const all: Site[] = [];
  const start = (index: number) => {
    const one = new Site(store, `r${all.length}`, index + 1, whenDown);
    sites[index] = one;
    all.push(one);
    void one.replica.join();
    void one.learnKind();
  };
  for (const index of [0, 1, 2]) start(index);
  for (const step of steps) {
    if (step.act === 'pause') {
      await vi.advanceTimersByTimeAsync(step.time);
      continue;
    }
    const one = sites[step.site]!;
    if (step.act === 'open' || step.act === 'open-free')
      void one.open(step.name, step.act === 'open', () => opened(all));
    else if (step.act === 'close')
      one.leases.splice(step.which % Math.max(1, one.leases.length), 1)[0]?.lease.release();
    else if (step.act === 'join') void one.replica.join();
    else if (step.act === 'lose') one.backplane.loseAnswer();
    else if (step.act === 'forget') store.leave(`r${all.indexOf(one)}#${one.replica.generation}`);
    else {
      if (step.act === 'kill') one.kill();
      else {
        for (const { lease } of one.leases.splice(0)) lease.release();
        one.isAlive = false;
        void one.replica.close();
      }
      start(step.site);
    }
  }
  // Answers may still be lost one after another, each with a timeout and a pause before the next join.
  await vi.advanceTimersByTimeAsync((TTL * 3 + steps.length * (TIMEOUT * 5 + 5)) * 1000);
  expect(sites.map(({ replica }) => replica.isUp)).toEqual([true, true, true]);
  const truth = NAMES.map((one) => sum(sites, one));
  expect([...NAMES, 'user setup'].map((one) => countIn(store, one))).toEqual([...truth, 0]);
  for (const { replica } of sites) void replica.close();
  await vi.advanceTimersByTimeAsync(TIMEOUT * 2000);
  expect(vi.getTimerCount()).toBe(0);
}

function sum(sites: Site[], of: Name): number {
  return sites.reduce((count, one) => count + one.count(of), 0);
}

/** The count of the store, by requests of another replica. */
function countIn(store: MemoryStore, of: string): number {
  store.join('watcher#1', undefined, []);
  for (let count = 0; ; count++) {
    if (store.take('watcher#1', [{ name: of, most: count + 1 }]).kind !== 'taken') continue;
    store.leave('watcher#1');
    return count;
  }
}

test('whatever replicas open, close, lose and repeat, no limit is exceeded, and at rest the store has the true counts', async () => {
  const steps = fc.array(safe, { minLength: 5, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(steps, async (given) => {
      await run(given, 'refuse', (all) => {
        for (const one of NAMES) expect(sum(all, one), one).toBeLessThanOrEqual(LIMITS[one]);
      });
    }),
    { numRuns: RUNS },
  );
});

test.each(['local', 'refuse'] as const)(
  "after forgotten replicas, and slots without a limit, the store has the true counts as well, with whenDown '%s'",
  async (whenDown) => {
    const steps = fc.array(doubtful, { minLength: 5, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(steps, (given) => run(given, whenDown, () => undefined)),
      { numRuns: RUNS },
    );
  },
);
