import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { LoginCookie } from '../../../src/command/listen/login/login-cookie.js';

const HOUR = 3600;

interface Connection {
  readonly localPort?: number;
  readonly encrypted?: boolean;
}

/** A login cookie whose clock and accounts the test sets. */
function startCookie(key = Buffer.alloc(32, 1), socketPath = '') {
  const state = { now: 1_800_000_000, marks: new Map([['ann', 'mark 1']]) };
  const accounts = { markOf: (name: string) => state.marks.get(name) };
  const cookie = new LoginCookie(key, accounts, socketPath, () => state.now);
  const set = (user = 'ann', left = 0, connection: Connection = { localPort: 6080 }): string => {
    const lines: string[] = [];
    const res = { appendHeader: (_: string, line: string) => lines.push(line) } as unknown as ServerResponse;
    cookie.set({ socket: connection, headers: {} } as unknown as IncomingMessage, res, user, left);
    return lines.join('\n');
  };
  const read = (header: string, connection: Connection = { localPort: 6080 }) =>
    cookie.read({ socket: connection, headers: { cookie: header } } as unknown as IncomingMessage);
  return { state, set, read };
}

/** The part of a Set-Cookie line that a browser sends in later requests. */
const pairOf = (line: string) => line.split(';')[0]!;

describe('issue 12, case 29: the login cookie', () => {
  test('proves the name until it expires', () => {
    const { set, read, state } = startCookie();
    const pair = pairOf(set());
    expect(read(pair)).toEqual({ user: 'ann', left: 12 * HOUR });
    expect(read(`a=b; ${pair};c="d"`)?.user).toBe('ann');
    state.now += 12 * HOUR - 1;
    expect(read(pair)?.user).toBe('ann');
    state.now += 1;
    expect(read(pair)).toBeUndefined();
  });

  test('is hidden from scripts, other sites and other ports', () => {
    const { set } = startCookie();
    expect(set()).toMatch(/^wstunnel-6080=\S+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(set('ann', 0, { localPort: 443, encrypted: true })).toMatch(
      /^__Host-wstunnel-443=\S+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
    );
    expect(set()).not.toMatch(/Domain/i);
  });

  test('over https is not accepted if it was set over http', () => {
    const { set, read } = startCookie();
    expect(read(pairOf(set()), { localPort: 6080, encrypted: true })).toBeUndefined();
  });

  test('has a different name for commands on other ports or sockets of the host', () => {
    const { set, read } = startCookie();
    expect(read(pairOf(set('ann', 0, { localPort: 6081 })))).toBeUndefined();
    const [one, two] = ['/run/a.sock', '/run/b.sock'].map((path) => startCookie(undefined, path));
    expect(one!.read(pairOf(two!.set('ann', 0, {})), {})).toBeUndefined();
    expect(one!.read(pairOf(one!.set('ann', 0, {})), {})?.user).toBe('ann');
  });

  test('is invalid after a changed password, a removed name or a restart', () => {
    const { set, read, state } = startCookie();
    const pair = pairOf(set());
    expect(startCookie(Buffer.alloc(32, 2)).read(pair)).toBeUndefined();
    expect(startCookie().read(pair)?.user).toBe('ann');
    state.marks.set('ann', 'mark 2');
    expect(read(pair)).toBeUndefined();
    state.marks.delete('ann');
    expect(read(pair)).toBeUndefined();
    expect(read(pairOf(set('ann')))).toBeUndefined();
  });

  test('is invalid with any part changed', () => {
    const { set, read, state } = startCookie();
    state.marks.set('eve', 'mark 1');
    const [expires = '', user = '', mark = ''] = pairOf(set('eve')).split('=')[1]!.split('.');
    const withParts = (...parts: string[]) => read(`wstunnel-6080=${parts.join('.')}`);
    expect(withParts(expires, user, mark)?.user).toBe('eve');
    expect(withParts(expires, Buffer.from('ann').toString('base64url'), mark)).toBeUndefined();
    expect(withParts(String(Number(expires) + 1), user, mark)).toBeUndefined();
    expect(
      withParts(
        expires,
        user,
        mark.replace(/^./, (one) => (one === 'A' ? 'B' : 'A')),
      ),
    ).toBeUndefined();
    for (const odd of [
      '',
      '.',
      '..',
      `${expires}.${user}.`,
      `${expires}.${user}`,
      `${'9'.repeat(5000)}..`,
      '%',
      'x=y',
    ])
      expect(read(`wstunnel-6080=${odd}`)).toBeUndefined();
  });

  test('is found beside several foreign cookies of the same name', () => {
    const { set, read } = startCookie();
    const pair = pairOf(set());
    expect(read(`wstunnel-6080=x; wstunnel-6080=y; ${pair}`)?.user).toBe('ann');
    expect(read(`${'wstunnel-6080=x; '.repeat(2000)}${pair}`)).toBeUndefined();
  });

  test('is renewed in the second half of its lifetime', () => {
    const { set } = startCookie();
    expect(set('ann', 7 * HOUR)).toBe('');
    expect(set('ann', 5 * HOUR)).toMatch(/^wstunnel-6080=/);
  });
});
