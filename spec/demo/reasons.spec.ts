import { describe, expect, test } from 'vitest';

/** A module of the page, without types. */
const REASONS: string = '../../demo/public/reasons.js';

interface Reasons {
  readonly explain: (outcome: object, session?: object) => Record<string, unknown>;
}

const { explain } = (await import(REASONS)) as Reasons;
const ended = { code: 1008, connected: true, opened: true };

describe('issue 16: the text for a login that has ended', () => {
  test.each([
    ['the login has ended', 'out', 'You have been logged out', { login: true, retry: false }],
    ['the login has ended', undefined, 'You have been logged out', { login: true, retry: false }],
    ['the login has ended', 'in', 'Your login has changed', { retry: true }],
    ['another user has logged in', 'in', 'Another user has logged in', { retry: false }],
    ['the login could not be checked', 'unreachable', 'Your login could not be checked', { retry: true }],
    ['ended by the application', 'in', 'Ended by the application', { retry: false }],
    ['ended by the application', 'out', 'You have been logged out', { login: true }],
  ])('after "%s", while the user is %s, is "%s"', (reason, state, title, rest) => {
    const session = state === undefined ? undefined : { state };
    expect(explain({ ...ended, reason }, session)).toMatchObject({ state: 'disconnected', title, ...rest });
  });

  test('names the window that has the desktop now', () => {
    const replaced = explain({ ...ended, code: 4409, reason: 'replaced' });
    expect(replaced).toMatchObject({ title: 'Connected elsewhere', action: 'Connect here', retry: false });
  });

  test('of a server that shuts down is followed by further attempts', () => {
    expect(explain({ ...ended, code: 1001, reason: '' })).toMatchObject({ retry: true });
  });
});
