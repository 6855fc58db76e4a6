import { describe, expect, test } from 'vitest';
import { WrongLogins, WRONG_LOGINS, loginKeysOf } from '../../../src/command/listen/login/wrong-logins.js';

/** Wrong logins under a clock that the test sets. */
function startGuesses(settings = WRONG_LOGINS) {
  const clock = { now: 1000 };
  return { clock, guesses: new WrongLogins(settings, () => clock.now) };
}

describe('issue 12, case 8: the pauses after failed logins', () => {
  test('start after three failures, then double up to five seconds', () => {
    const { guesses } = startGuesses();
    const ann = loginKeysOf('home', 'ann');
    const pauses = Array.from({ length: 9 }, () => {
      guesses.note(ann);
      return guesses.pause(ann);
    });
    expect(pauses).toEqual([0, 0, 0, 1000, 2000, 4000, 5000, 5000, 5000]);
  });

  test('are at most one second for an address, whatever names it tries', () => {
    const { guesses } = startGuesses();
    const pauses = Array.from({ length: 30 }, (_, i) => {
      guesses.note(loginKeysOf('bad', `name ${i}`));
      return guesses.pause(loginKeysOf('bad', 'ann'));
    });
    expect(pauses.slice(0, 14)).toEqual([...Array.from({ length: 10 }, () => 0), 250, 500, 1000, 1000]);
    expect(Math.max(...pauses)).toBe(1000);
  });

  test('of other addresses do not delay the owner of a name', () => {
    const { guesses } = startGuesses();
    for (let i = 0; i < 1000; i++) guesses.note(loginKeysOf(`bad ${i % 5}`, 'ann'));
    expect(guesses.pause(loginKeysOf('home', 'ann'))).toBe(0);
    expect(guesses.countsOf(loginKeysOf('home', 'ann'))).toEqual({ client: 0, pair: 0 });
  });

  test('end, and are forgotten after twenty minutes', () => {
    const { guesses, clock } = startGuesses();
    const ann = loginKeysOf('home', 'ann');
    for (let i = 0; i < 1000; i++) guesses.note(ann);
    clock.now += 4999;
    expect(guesses.pause(ann)).toBe(1);
    clock.now += 1;
    expect(guesses.pause(ann)).toBe(0);
    expect(guesses.countsOf(ann).client).toBe(20);
    clock.now += 20 * 60_000;
    expect(guesses.countsOf(ann)).toEqual({ client: 0, pair: 0 });
  });

  test('are remembered for the most recent clients only', () => {
    const { guesses } = startGuesses({ ...WRONG_LOGINS, most: 100 });
    for (let i = 0; i < 1000; i++) guesses.note(loginKeysOf(`bad ${i}`, 'ann'));
    const left = Array.from(
      { length: 1000 },
      (_, i) => guesses.countsOf(loginKeysOf(`bad ${i}`, 'ann')).client,
    );
    expect(left.filter((count) => count > 0)).toHaveLength(100);
    expect(left.at(-1)).toBe(1);
  });

  test('never confuse two pairs of name and client', () => {
    expect(loginKeysOf('a', 'b"],["c').pair).not.toBe(loginKeysOf('a","b', '],["c').pair);
  });
});
