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

  test.each([
    ['no key or pointer event for 600 s', /for 10 minutes,/],
    ['no key or pointer event for 60 s', /for 1 minute,/],
    ['no key or pointer event for 90 s', /for 90 seconds,/],
    ['no key or pointer event for 1.5 s', /for 1.5 seconds,/],
  ])('after "%s" offers to continue, and does not try again by itself', (reason, text) => {
    const words = explain({ ...ended, code: 1001, reason });
    expect(words).toMatchObject({ title: 'Are you still there?', action: 'Continue', retry: false });
    expect(words.text).toMatch(text);
  });

  test.each([
    [true, /From now on you can only watch/],
    [false, /From now on you may use keys/],
  ])(
    'after a change of rights, viewOnly %s, says what the user may do and connects again',
    (viewOnly, text) => {
      const reason = 'your rights at the desktop have changed: connect again';
      const words = explain({ ...ended, reason }, { state: 'in', viewOnly });
      expect(words).toMatchObject({ title: 'Your role has changed', retry: true });
      expect(words.text).toMatch(text);
      // Before the page knows the new role.
      expect(explain({ ...ended, reason })).toMatchObject({ title: 'Your role has changed', retry: true });
    },
  );

  test('after a rejected login of the server gives the reason, and does not try again by itself', () => {
    const reason = 'the VNC server rejected the password';
    const words = explain({ code: 4502, reason, connected: false, opened: true });
    expect(words).toMatchObject({
      state: 'refused',
      title: 'The desktop’s VNC server rejected the server’s login',
      retry: false,
    });
    expect(words.text).toContain(reason);
    const down = explain({ ...words, code: 4502, reason: 'the backend refused the connection' });
    expect(down).toMatchObject({ title: 'The desktop does not answer', retry: true });
  });

  test('of a server that shuts down is followed by further attempts', () => {
    expect(explain({ ...ended, code: 1001, reason: '' })).toMatchObject({ retry: true });
  });
});

describe('issue 21, point 1: a browser that lacks features', () => {
  interface Limits {
    readonly limitsOf: (view: object) => readonly string[];
  }
  const LIMITS: string = '../../demo/public/limits.js';
  const view = (has: { fullscreen?: boolean; clipboard?: object; keyboard?: object }, isPhone = false) => ({
    document: { fullscreenEnabled: has.fullscreen ?? false },
    navigator: { clipboard: has.clipboard, keyboard: has.keyboard },
    matchMedia: () => ({ matches: isPhone }),
  });

  test('gets a list of the missing features, and of no others', async () => {
    const { limitsOf } = (await import(LIMITS)) as Limits;
    const all = { fullscreen: true, clipboard: {}, keyboard: { lock: () => undefined } };
    expect(limitsOf(view(all))).toEqual([]);
    expect(limitsOf(view({ ...all, fullscreen: false }))).toEqual([expect.stringMatching(/^Full screen/)]);
    expect(limitsOf(view({ fullscreen: true, keyboard: all.keyboard }))).toEqual([
      expect.stringMatching(/^Clipboard .* over http/),
    ]);
    expect(limitsOf(view({ fullscreen: true, clipboard: {} }))).toEqual([expect.stringMatching(/Ctrl W/)]);
    expect(limitsOf(view({ fullscreen: true, clipboard: {} }, true))).toEqual([]);
  });

  test('over http shows a card for a VNC server that encrypts, and does not reconnect', () => {
    const words = explain({ code: 0, reason: '', connected: false, opened: true, needsHttps: true });
    expect(words).toMatchObject({ state: 'refused', title: 'This desktop needs https', retry: false });
  });
});
