import { describe, expect, test, vi, beforeEach, afterEach } from 'vitest';
import { WrongLogins, loginKeysOf } from '../../../src/command/listen/login/wrong-logins.js';
import { LoginQueue, QUEUE, type QueueRefusal } from '../../../src/command/listen/login/login-queue.js';
import type { Lease } from '../../../src/helpers/lease.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function startQueue(settings = QUEUE) {
  const guesses = new WrongLogins();
  const queue = new LoginQueue(guesses, settings);
  /** The clients in the order of service. */
  const served: string[] = [];
  const refused: [string, QueueRefusal][] = [];
  let turn: Lease | undefined;
  const enter = (
    client: string,
    name = 'ann',
    { isKnown = false, signal = undefined as AbortSignal | undefined } = {},
  ) =>
    queue.enter({ ...loginKeysOf(client, name), isKnown, signal }).then((given) => {
      if (typeof given === 'string') refused.push([client, given]);
      else {
        served.push(client);
        turn = given;
      }
    });
  /** Ends the current login; with `client` as a wrong login of that client. */
  const end = async (client?: string, name = 'ann') => {
    await vi.advanceTimersByTimeAsync(0);
    if (client !== undefined) guesses.note(loginKeysOf(client, name));
    turn?.release();
    await vi.advanceTimersByTimeAsync(0);
  };
  return { guesses, enter, end, served, refused };
}

describe('issue 12, case 8: the queue of logins', () => {
  test('serves a client after the current login, however many of another client are queued', async () => {
    const { enter, end, served } = startQueue();
    for (let i = 0; i < 12; i++) void enter('bad', `name ${i}`);
    await end('bad', 'name 0');
    void enter('home');
    await end('bad', 'name 1');
    expect(served).toEqual(['bad', 'bad', 'home']);
  });

  test('serves a client without failures before a hundred with failures', async () => {
    const { enter, end, served, guesses } = startQueue();
    for (let i = 0; i < 100; i++) {
      guesses.note(loginKeysOf(`bad ${i}`, 'x'));
      void enter(`bad ${i}`);
    }
    void enter('home');
    await end();
    expect(served[1]).toBe('home');
  });

  test('serves a client with an earlier successful login first, if none has failed', async () => {
    const { enter, end, served } = startQueue();
    for (let i = 0; i < 100; i++) void enter(`new ${i}`);
    void enter('office', 'ann', { isKnown: true });
    await end();
    expect(served[1]).toBe('office');
  });

  test('serves clients in turn', async () => {
    const { enter, end, served } = startQueue();
    void enter('first');
    await end();
    for (let i = 0; i < 3; i++) void enter('a');
    for (let i = 0; i < 3; i++) void enter('b');
    for (let i = 0; i < 6; i++) await end();
    expect(served.slice(1).join(' ')).toMatch(/^(a b a b a b|b a b a b a)$/);
  });

  test("serves other clients during a client's pause, and that client afterwards", async () => {
    const { enter, end, served, guesses } = startQueue();
    for (let i = 0; i < 4; i++) guesses.note(loginKeysOf('home', 'ann'));
    void enter('home', 'ann');
    await end();
    expect(served).toEqual([]);
    void enter('home', 'bob');
    await end();
    expect(served).toEqual(['home']);
    await end();
    await vi.advanceTimersByTimeAsync(1100);
    expect(served).toEqual(['home', 'home']);
  });

  test('has sixteen slots per client, and refuses the login that loses its slot a second later', async () => {
    const { enter, served, refused } = startQueue();
    for (let i = 0; i < 20; i++) void enter('bad', `name ${i}`);
    await vi.advanceTimersByTimeAsync(900);
    expect([served.length, refused.length]).toEqual([1, 0]);
    await vi.advanceTimersByTimeAsync(200);
    expect(refused).toEqual(Array.from({ length: 3 }, () => ['bad', 'busy']));
  });

  test('when full drops a login of the client with the most slots', async () => {
    const { enter, refused } = startQueue({ ...QUEUE, total: 20 });
    void enter('first');
    for (let i = 0; i < 10; i++) void enter(`one ${i}`);
    for (let i = 0; i < 10; i++) void enter('bad', `name ${i}`);
    for (let i = 0; i < 8; i++) void enter(`home ${i}`);
    await vi.advanceTimersByTimeAsync(1100);
    expect(refused).toEqual(Array.from({ length: 8 }, () => ['bad', 'busy']));
  });

  test('delays a bounded number of refusals, and sends the others at once', async () => {
    const { enter, refused } = startQueue({ ...QUEUE, perClient: 1, total: 5 });
    for (let i = 0; i < 50; i++) void enter('bad', `name ${i}`);
    await vi.advanceTimersByTimeAsync(0);
    expect(refused.length).toBe(50 - 2 - 5);
  });

  test('keeps no login longer than fifteen seconds', async () => {
    const { enter, refused, guesses } = startQueue();
    void enter('stuck');
    void enter('home');
    await vi.advanceTimersByTimeAsync(14_000);
    for (let i = 0; i < 20; i++) guesses.note(loginKeysOf('bad', 'ann'));
    void enter('bad');
    await vi.advanceTimersByTimeAsync(1500);
    expect(refused).toEqual([['home', 'busy']]);
  });

  test('frees the slot of a client that leaves', async () => {
    const { enter, end, served, refused } = startQueue();
    const gone = new AbortController();
    void enter('first');
    void enter('leaver', 'ann', { signal: gone.signal });
    gone.abort();
    void enter('home');
    await end();
    expect([served, refused]).toEqual([['first', 'home'], [['leaver', 'gone']]]);
    void enter('late', 'ann', { signal: gone.signal });
    await end();
    expect(refused.at(-1)).toEqual(['late', 'gone']);
  });
});
