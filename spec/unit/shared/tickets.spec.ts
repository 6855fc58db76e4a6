import { describe, expect, test, vi } from 'vitest';
import type { TunnelError } from '../../../src/index.js';
import { ChannelBackplane, serveStore, type Channel } from '../../../src/replicas/channel.js';
import { MemoryBackplane, MemoryStore } from '../../../src/replicas/memory-backplane.js';
import { TicketCalls } from '../../../src/replicas/ticket-calls.js';
import { MOST_TICKETS, TicketMemory } from '../../../src/replicas/ticket-memory.js';
import { idOfTicket, newTicket, ticketsIn } from '../../../src/request/ticket.js';
import { seal, unseal } from '../../../src/shared/ticket-seal.js';
import { Tickets, type TicketContent } from '../../../src/shared/tickets.js';
import { onCleanup } from '../../support/cleanup.js';
import { FakeBackplane } from '../../support/fake-backplane.js';

const CONTENT: TicketContent = {
  tunnel: 'desk',
  user: 'ann',
  session: 'hash',
  viewOnly: true,
  target: { host: 'desk.test', port: 5900, tls: { passphrase: 'geheim' } },
};

function sharedTickets(store: MemoryStore, whenDown: 'local' | 'refuse' = 'refuse') {
  const backplane = new FakeBackplane(store);
  const replica = { isUp: true };
  const settings = { name: 'one', ttl: 3, timeout: 0.05, whenDown };
  return { backplane, replica, tickets: new Tickets(new TicketCalls(backplane, settings, replica)) };
}

const codeOf = (promise: unknown) =>
  Promise.resolve(promise).then(
    (value) => value,
    (error: unknown) => (error as TunnelError).code,
  );

describe('ticketsIn', () => {
  const one = `wst_${'A'.repeat(43)}`;
  test.each([
    ['', []],
    ['token=x', []],
    ['ticket=ST-1', []],
    [`ticket=${one}`, [one]],
    [`a=b&ticket=${one}&c`, [one]],
    [`ticket=ST-1&ticket=${one}`, [one]],
    [`ticket=${one}&ticket=${one}`, [one, one]],
    [`%74icket=wst%5f`, ['wst_']],
    [`Ticket=${one}`, []],
    [`ticket[]=${one}`, []],
    ['ticket=wst_%E0%A4%A', ['wst_\ufffd%A']],
    ['__proto__=wst_&constructor', []],
  ])('of %s are %j', (query, tickets) => {
    expect(ticketsIn(query)).toEqual(tickets);
  });
});

describe('the content of a ticket in a store', () => {
  test('is read back with the ticket', () => {
    const ticket = newTicket();
    expect(unseal(ticket, seal(ticket, CONTENT))).toEqual(CONTENT);
  });

  test('shows nothing of the content, and is different each time', () => {
    const ticket = newTicket();
    const text = seal(ticket, CONTENT);
    expect(text).toMatch(/^[\w-]+$/);
    for (const encoding of ['latin1', 'utf8'] as const)
      expect(Buffer.from(text, 'base64url').toString(encoding)).not.toMatch(/ann|geheim|desk/);
    expect(text).not.toBe(seal(ticket, CONTENT));
  });

  test('is refused with another ticket, and after any change', () => {
    const ticket = newTicket();
    const text = seal(ticket, CONTENT);
    expect(() => unseal(newTicket(), text)).toThrow();
    for (const changed of [text.slice(0, -4), `${text}AAAA`, `A${text.slice(1)}B`, '', 'AAAA', '-used-'])
      expect(() => unseal(ticket, changed), changed).toThrow();
  });
});

describe('the memory for tickets', () => {
  test('gives the content of a ticket once, and tells used, expired and unknown tickets apart', () => {
    vi.useFakeTimers();
    onCleanup(() => vi.useRealTimers());
    const memory = new TicketMemory<string>();
    memory.put('a', 'content', 1000);
    memory.put('b', 'content', 1000);
    expect(memory.take('a')).toEqual({ kind: 'taken', content: 'content' });
    expect(memory.take('a')).toEqual({ kind: 'used' });
    vi.advanceTimersByTime(1000);
    expect(memory.take('b')).toEqual({ kind: 'expired' });
    expect(memory.take('__proto__')).toEqual({ kind: 'unknown' });
  });

  test('forgets expired tickets by one timer, which ends with the last ticket', () => {
    vi.useFakeTimers();
    onCleanup(() => vi.useRealTimers());
    const memory = new TicketMemory<string>();
    for (let at = 0; at < 100; at++) memory.put(`short ${at}`, 'content', 1000);
    memory.put('long', 'content', 600_000);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(130_000);
    expect(memory.size).toBe(1);
    vi.advanceTimersByTime(800_000);
    expect(memory.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('has 100,000 unused tickets at most, and forgets used ones first', () => {
    const memory = new TicketMemory<string>();
    for (let at = 0; at < MOST_TICKETS; at++) memory.put(String(at), 'content', 60_000);
    for (let at = 0; at < 10; at++) memory.take(String(at));
    for (let at = 0; at < 10; at++) expect(memory.put(`new ${at}`, 'content', 60_000)).toBe(true);
    expect(memory.put('one more', 'content', 60_000)).toBe(false);
    expect(memory.size).toBe(MOST_TICKETS);
  });
});

describe('tickets in a store', () => {
  test('made by one replica are good for another, once', async () => {
    const store = new MemoryStore(3);
    const [one, two] = [sharedTickets(store), sharedTickets(store)];
    const ticket = await one.tickets.make(CONTENT, 30);
    expect(await two.tickets.take(ticket)).toEqual({ kind: 'taken', content: CONTENT });
    expect(await one.tickets.take(ticket)).toEqual({ kind: 'used' });
    expect(JSON.stringify(one.backplane.calls)).not.toContain(ticket);
    expect(JSON.stringify(one.backplane.calls)).not.toMatch(/ann|geheim/);
  });

  test.each(['fails', 'hangs', 'mute'] as const)(
    'are refused while the store %s, under whenDown: refuse',
    async (mood) => {
      const { tickets, backplane } = sharedTickets(new MemoryStore(3));
      const ticket = await tickets.make(CONTENT, 30);
      backplane.set(mood, 'putTicket', 'takeTicket');
      expect(await codeOf(tickets.make(CONTENT, 30))).toBe('WSTUNNEL_STATE_DOWN');
      expect(await codeOf(tickets.take(ticket))).toBe('WSTUNNEL_STATE_DOWN');
      // After a call without an answer the ticket may be used up, and is never good twice.
      backplane.set('fine');
      expect(await tickets.take(ticket)).toMatchObject({ kind: mood === 'mute' ? 'used' : 'taken' });
    },
  );

  test.each(['fails', 'hangs', 'mute'] as const)(
    'made while the store %s, under whenDown: local, are good in this process alone, once',
    async (mood) => {
      const store = new MemoryStore(3);
      const [one, two] = [sharedTickets(store, 'local'), sharedTickets(store, 'local')];
      one.backplane.set(mood, 'putTicket');
      const ticket = await one.tickets.make({ ...CONTENT, hosts: [] }, 30);
      const stored = one.backplane.calls.find(([name]) => name === 'putTicket');
      expect(stored?.[1]).not.toBe(idOfTicket(ticket));
      expect(await two.tickets.take(ticket)).toEqual({ kind: 'unknown' });
      expect(await one.tickets.take(ticket)).toMatchObject({ kind: 'taken', content: { hosts: [] } });
      expect(await one.tickets.take(ticket)).toEqual({ kind: 'used' });
    },
  );

  test('do not wait for a store that is known to be down', async () => {
    const { tickets, backplane, replica } = sharedTickets(new MemoryStore(3));
    replica.isUp = false;
    expect(await codeOf(tickets.make(CONTENT, 30))).toBe('WSTUNNEL_STATE_DOWN');
    expect(await codeOf(tickets.take(newTicket()))).toBe('WSTUNNEL_STATE_DOWN');
    expect(backplane.calls).toEqual([]);
  });

  test('of another form than a ticket are not looked up', async () => {
    const { tickets, backplane } = sharedTickets(new MemoryStore(3));
    for (const text of ['', 'wst_', `wst_${'A'.repeat(10_000)}`, `wst_\0${'A'.repeat(42)}`])
      expect(await tickets.take(text)).toEqual({ kind: 'unknown' });
    expect(backplane.calls).toEqual([]);
  });

  test('with a value that cannot be decrypted refuse with 500', async () => {
    const store = new MemoryStore(3);
    const ticket = newTicket();
    store.putTicket(idOfTicket(ticket), 'garbage', 1000);
    expect(await codeOf(sharedTickets(store).tickets.take(ticket))).toBe('WSTUNNEL_HOOK_FAILED');
  });
});

describe('a primary of an earlier version, which knows no tickets', () => {
  /** A channel to a store, over which calls about tickets never have an answer. */
  function oldPrimary(store: MemoryStore): Channel {
    const toStore: ((message: unknown) => void)[] = [];
    const toWorker: ((message: unknown) => void)[] = [];
    const send = (listeners: typeof toStore, message: unknown) => {
      const copy: unknown = JSON.parse(JSON.stringify(message));
      setImmediate(() => listeners.forEach((listener) => listener(copy)));
    };
    const end = serveStore(store, 'spec', {
      send: (message) => send(toWorker, message),
      listen: (listener) => {
        // The list of methods that the version before has.
        toStore.push((message) => {
          if (!/Ticket/.test((message as { method: string }).method)) listener(message);
        });
        return () => undefined;
      },
    });
    onCleanup(end);
    return {
      send: (message) => send(toStore, message),
      listen: (listener) => {
        toWorker.push(listener);
        return () => undefined;
      },
    };
  }

  test.each([
    ['local', /^wst_/],
    ['refuse', /^WSTUNNEL_STATE_DOWN$/],
  ] as const)('leaves tickets to whenDown: %s, and counts go on', async (whenDown, result) => {
    const { ReplicaGroup } = await import('../../../src/replicas/replica-group.js');
    const settings = { name: 'worker', ttl: 3, timeout: 0.1, whenDown };
    const backplane = new ChannelBackplane(oldPrimary(new MemoryStore(3)), 'spec', settings);
    const changes: boolean[] = [];
    const replicas = new ReplicaGroup(backplane, settings, {
      counts: () => [],
      hosts: () => ({ loads: {}, down: {} }),
      end: () => 0,
      answer: () => undefined,
      changed: (isUp) => changes.push(isUp),
      log: () => undefined,
    });
    onCleanup(() => replicas.close());
    await replicas.start();
    const tickets = new Tickets(new TicketCalls(backplane, settings, replicas.replica));
    expect(await codeOf(tickets.make(CONTENT, 30))).toMatch(result);
    const outcome = await replicas.replica.take([{ name: 'total', most: 1 }]);
    expect(outcome.kind).toBe('taken');
    expect(changes).toEqual([true]);
  });
});

test('a memory backplane answers as its store does', async () => {
  const backplane = new MemoryBackplane(new MemoryStore(3));
  expect(await backplane.putTicket('id', 'content', 1000)).toBe(true);
  expect(await backplane.takeTicket('id')).toEqual({ kind: 'taken', content: 'content' });
  expect(await backplane.takeTicket('id')).toEqual({ kind: 'used' });
});
